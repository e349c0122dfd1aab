using Microsoft.ML.Hdrq.Networks.Quantizers;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Chooses, from 100 candidates <c>i / 100 max|x|</c>, the one whose quantizer has the smallest mean
/// <c>|Q(x) - x|^2.4</c>; over several batches, the largest choice.
/// </summary>
internal class MseObserver : RangeObserver
{
    private const int Candidates = 100;

    /// <summary>The most values of an activation that are copied; the largest ones have billions.</summary>
    private const long MostCopied = 1 << 26;

    /// <summary>Of how many candidates one is tried first.</summary>
    private const int Coarse = 10;

    /// <summary>How much larger than the smallest error a sum must be before the rest of it is not computed.</summary>
    private const double Margin = 1 + 1e-5;

    protected override torch.Tensor Choose(torch.Tensor values, QuantizationRange range)
    {
        // Columns of a weight are its outputs where it is the second matrix of a product.
        values = values.contiguous();
        var limit = values.amax([1], keepdim: true).maximum(values.amin([1], keepdim: true).neg());
        var steps = Enumerable.Range(1, Candidates).Select(i => (float)(i / (double)Candidates)).ToArray();
        var fractions = torch.tensor(steps, device: values.device);
        var candidates = limit.mul(fractions);
        var scales = candidates.mul(Scalars.Keep(range.ScaleFor(1))).clamp_(min: Scalars.Keep(MinScale));
        var errors = HostMemory.Holds(values) ? ErrorsInOnePass(values, scales, range) : Errors(values, scales, range);
        return candidates.gather(1, errors.argmin(1, keepdim: true)).squeeze(1);
    }

    /// <summary>Computes the errors, a row for each row of the values and a column for each scale.</summary>
    private static torch.Tensor Errors(torch.Tensor values, torch.Tensor scales, QuantizationRange range)
    {
        var errors = torch.empty_like(scales);
        for (var i = 0; i < Candidates; i++)
        {
            using var scope = torch.NewDisposeScope();
            var sums = NearestRounding.Instance
                .Apply(values, scales.narrow(1, i, 1), range)
                .sub_(values)
                .abs_()
                .pow_(Scalars.Keep(QuantizationError.Power))
                .sum([1], keepdim: true);
            errors.narrow(1, i, 1).copy_(sums);
        }
        return errors;
    }

    private static unsafe torch.Tensor ErrorsInOnePass(
        torch.Tensor values, torch.Tensor scales, QuantizationRange range)
    {
        // Zeros have no error at any scale, and half of an activation's elements are zeros.
        if (values.shape[0] == 1 && values.numel() <= MostCopied)
            values = values.masked_select(values.ne(Scalars.Keep(0))).unsqueeze(0);
        var errors = torch.zeros_like(scales);
        if (values.numel() == 0)
            return errors;
        var from = HostMemory.Pointer<float>(values);
        var scale = HostMemory.Pointer<float>(scales);
        var to = HostMemory.Pointer<float>(errors);
        var (rows, length) = (values.shape[0], values.shape[1]);
        // Most candidates are much worse than the best one, which shows in a part of the values.
        var limits = Enumerable.Repeat(double.PositiveInfinity, (int)rows).ToArray();
        Try([.. Enumerable.Range(0, Candidates).Where(IsCoarse)]);
        for (var row = 0; row < rows; row++)
        {
            for (var i = 0; i < Candidates; i++)
            {
                if (IsCoarse(i))
                    limits[row] = Math.Min(limits[row], to[row * Candidates + i] * Margin);
            }
        }
        Try([.. Enumerable.Range(0, Candidates).Where(i => !IsCoarse(i))]);
        return errors;

        static bool IsCoarse(int candidate) => (candidate + 1) % Coarse == 0;

        void Try(int[] candidates) =>
            HostMemory.ForEach(rows * candidates.Length, values.numel() * candidates.Length, i =>
            {
                var row = i / candidates.Length;
                var column = row * Candidates + candidates[i % candidates.Length];
                to[column] = (float)QuantizationError.Sum(
                    from + row * length, length, scale[column], range, limits[row]);
            });
    }
}
