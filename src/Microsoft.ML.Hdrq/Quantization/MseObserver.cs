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

    /// <summary>Of how many candidates one is tried first, on one of how many parts of the values.</summary>
    private const int Coarse = 10, Parts = 16;

    /// <summary>The smallest such part.</summary>
    private const int LeastPart = 1 << 12;

    /// <summary>How much larger than the smallest error a sum must be before the rest of it is not computed.</summary>
    private const double Margin = 1 + 1e-5;

    protected override torch.Tensor Choose(torch.Tensor values, QuantizationRange range)
    {
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
        {
            var hasError = values.ne(Scalars.Keep(0));
            // Torch selects on one thread.
            if (!hasError.all().item<bool>())
                values = values.masked_select(hasError).unsqueeze(0);
        }
        var errors = torch.zeros_like(scales);
        if (values.numel() == 0)
            return errors;
        var from = HostMemory.Pointer<float>(values);
        var scale = HostMemory.Pointer<float>(scales);
        var to = HostMemory.Pointer<float>(errors);
        var (rows, length) = (values.shape[0], values.shape[1]);
        // Most candidates are much worse than the best one, which shows in a part of the values. Which one is good shows
        // in a part of them too.
        const int Few = Candidates / Coarse;
        var (part, good) = (Math.Min(length, Math.Max(length / Parts, LeastPart)), new int[rows]);
        HostMemory.ForEach(rows * Few, rows * Few * part, i => Compute(i / Few, FewAt(i), part, double.PositiveInfinity));
        HostMemory.ForEach(rows, values.numel(), row =>
        {
            good[row] = Enumerable.Range(0, Few).Select(i => FewAt(i))
                .MinBy(candidate => to[row * Candidates + candidate]);
            Compute(row, good[row], length, double.PositiveInfinity);
        });
        HostMemory.ForEach(rows * Candidates, values.numel() * Candidates, i =>
        {
            var (row, candidate) = (i / Candidates, (int)(i % Candidates));
            if (candidate != good[row])
                Compute(row, candidate, length, to[row * Candidates + good[row]] * Margin);
        });
        return errors;

        static int FewAt(long i) => (int)(i % Few + 1) * Coarse - 1;

        void Compute(long row, int candidate, long count, double limit) =>
            to[row * Candidates + candidate] = (float)QuantizationError.Sum(
                from + row * length, count, scale[row * Candidates + candidate], range, limit);
    }
}
