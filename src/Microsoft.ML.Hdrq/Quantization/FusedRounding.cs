using Microsoft.ML.Hdrq.Networks.Quantizers;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Computes a training quantizer's values and gradients, each in one pass over the memory of the host or of an NVIDIA
/// GPU. Tensor operations need a dozen passes, which take longer than the convolutions in between.
/// </summary>
internal sealed class FusedRounding : torch.autograd.SingleTensorFunction<FusedRounding>
{
    /// <summary>
    /// The offset added to the saved remainder of a value outside the range, which marks it as outside: larger than any
    /// integer of the range, and exact in single precision.
    /// </summary>
    public const float OutsideMark = 1024;

    /// <summary>The minimum run length with one scale; shorter runs are left to tensor operations.</summary>
    private const int MinRunLength = 16;

    private const string PlanName = "plan";

    /// <summary>The settings of a pass.</summary>
    /// <param name="Range">The integer range.</param>
    /// <param name="GradientFactor">The factor on the scale's gradient.</param>
    /// <param name="Table">
    /// The table of noise, of <see cref="NoiseRounding.TableSize"/> entries, or null for rounding to nearest.
    /// </param>
    /// <param name="Draws">A draw from the pool for each value; null without noise and mixing.</param>
    /// <param name="IsMixed">Whether values with a negative draw are left unquantized.</param>
    /// <param name="Workspace">The memory for the result and for the data saved for the gradients.</param>
    public sealed record Settings(
        QuantizationRange Range, double GradientFactor, torch.Tensor? Table, torch.Tensor? Draws, bool IsMixed,
        Workspace Workspace);

    /// <summary>What the gradients need besides tensors.</summary>
    /// <param name="Settings">The settings.</param>
    /// <param name="ScaleShape">The shape of the scale.</param>
    /// <param name="Run">The run length.</param>
    /// <param name="NeedsValueGradient">Whether the values have gradients.</param>
    /// <param name="IsParameter">Whether the values are a parameter.</param>
    public sealed record Plan(
        Settings Settings, long[] ScaleShape, long Run, bool NeedsValueGradient, bool IsParameter)
    {
        /// <summary>The number of scales.</summary>
        public long ScaleCount { get; } = ScaleShape.Aggregate(1L, (product, size) => product * size);
    }

    public override string Name => nameof(FusedRounding);

    /// <summary>Whether these tensors have a device and a memory layout that the passes support.</summary>
    public static bool CanApply(torch.Tensor values, torch.Tensor scale) =>
        (HostRounding.CanApply(values, scale) || CudaRounding.CanApply(values, scale))
        && RunLength(values, scale) >= Math.Min(MinRunLength, values.numel());

    /// <summary>Quantizes values.</summary>
    public static torch.Tensor Apply(torch.Tensor values, torch.Tensor scale, Settings settings) =>
        apply(values, scale, settings);

    public override torch.Tensor forward(torch.autograd.AutogradContext ctx, params object[] vars)
    {
        var (values, scale, settings) = ((torch.Tensor)vars[0], (torch.Tensor)vars[1], (Settings)vars[2]);
        var (result, kept) = values.device_type == DeviceType.CPU
            ? HostRounding.Forward(values, scale, settings)
            : CudaRounding.Forward(values, scale, settings);
        ctx.save_for_backward([kept]);
        // Otherwise TorchSharp itself allocates zeros before our code, where no exception can be caught.
        ctx.set_materialize_grads(false);
        var run = RunLength(values, scale);
        ctx.save_data(PlanName, new Plan(settings, scale.shape, run, values.requires_grad, values.is_leaf));
        return result;
    }

    public override List<torch.Tensor> backward(torch.autograd.AutogradContext ctx, torch.Tensor grad_output)
    {
        if (grad_output is null || grad_output.IsInvalid)
            return [null!, null!, null!];
        var plan = (Plan)ctx.get_data(PlanName);
        try
        {
            return Gradients(plan, ctx.get_saved_variables()[0], grad_output);
        }
        catch (Exception e)
        {
            // Torch's own code is the caller, through which no exception can pass: the process would end.
            plan.Settings.Workspace.Failure = e;
            return [null!, null!, null!];
        }
    }

    private static List<torch.Tensor> Gradients(Plan plan, torch.Tensor kept, torch.Tensor given)
    {
        var gradient = given.contiguous();
        // In place, as the saved data is not needed again. But Torch may keep a parameter's gradient beyond the step.
        var valueGradient = !plan.NeedsValueGradient ? null
            : plan.IsParameter ? torch.empty_like(gradient)
            : kept;
        var isHost = gradient.device_type == DeviceType.CPU;
        var scaleGradient = isHost
            ? HostRounding.Backward(gradient, kept, valueGradient, plan)
            : CudaRounding.Backward(gradient, kept, valueGradient, plan);
        gradient.Dispose();
        if (!isHost)
        {
            // Torch computes gradients of a GPU on a thread of its own, which has no dispose scope.
            given.Dispose();
            if (valueGradient is null || !ReferenceEquals(valueGradient, kept))
                kept.Dispose();
            plan.Settings.Workspace.DisposeLater(valueGradient, scaleGradient);
        }
        return [valueGradient!, scaleGradient, null!];
    }

    /// <summary>Computes the run length: the number of consecutive values with the same scale.</summary>
    public static long RunLength(torch.Tensor values, torch.Tensor scale)
    {
        if (scale.numel() == 1)
            return values.numel();
        var shape = scale.shape;
        return values.shape
            .Skip(Array.FindIndex(shape, size => size > 1) + 1)
            .Aggregate(1L, (product, size) => product * size);
    }
}
