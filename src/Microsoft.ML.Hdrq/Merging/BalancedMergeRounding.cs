namespace Microsoft.ML.Hdrq.Merging;

/// <summary>
/// Shares ambiguous weights out, output channel by output channel. The rounded channel should not differ from the mean
/// in three respects: in its sum, which would shift its output; in the sum of a kernel (the weights of one input
/// channel), because neighbouring pixels are alike, so that the errors of a kernel add up; and in its direction towards
/// any one network, which would serve that network's domain at the cost of the others. The ambiguous weights are
/// visited in descending order of the networks' disagreement. Each takes whichever of its two integers makes
/// <c>sum e_i^2 + kernel sum_k (sum_{i in k} e_i)^2 + balance (sum e_i)^2
/// + fairness sum_d lambda_d (sum e_i (v_di - r_i))^2</c>
/// smaller, where e is the rounding error, r the mean and v_d network d, all in steps. The passes repeat until nothing
/// changes, at most 4 times.
/// <para>
/// With larger shares, the first term (the distance to the mean) exceeds that of random draws where networks are many
/// or their weights unequal.
/// </para>
/// </summary>
/// <param name="kernel">The factor of the kernels' sums.</param>
/// <param name="balance">The factor of the channel's sum.</param>
/// <param name="fairness">The factor of the channel's lean towards each network.</param>
internal sealed class BalancedMergeRounding(double kernel = 0.25, double balance = 0.25, double fairness = 0.1)
    : MergeRounding
{
    /// <summary>The maximum number of passes over a channel; later passes change little.</summary>
    private const int MaxPasses = 4;

    /// <summary>A smaller gain is within floating-point error, and a choice by it would be arbitrary.</summary>
    private const double MinGain = 1e-9;

    internal override int[] Round(MergedWeight weight, int layer)
    {
        var rounded = weight.Nearest();
        var size = weight.Count / Math.Max(1, weight.Channels);
        Parallel.For(0, weight.Channels, channel => Balance(weight, rounded, channel * size, size));
        return rounded;
    }

    private void Balance(MergedWeight weight, int[] rounded, int start, int count)
    {
        var leans = new double[weight.Integers.Length];
        var kernels = new double[count / weight.KernelSize];
        // A kernel of one element has no neighbours.
        var kernelShare = weight.KernelSize > 1 ? kernel : 0;
        var sum = 0.0;
        for (var i = start; i < start + count; i++)
        {
            if (!weight.IsAmbiguous[i])
                Add(i, rounded[i] - weight.Means[i]);
        }
        var order = Enumerable.Range(start, count)
            .Where(i => weight.IsAmbiguous[i])
            .OrderByDescending(Disagreement)
            .ThenByDescending(i => Math.Abs(rounded[i] - weight.Means[i]))
            .ToArray();
        foreach (var i in order)
            Choose(i);
        var changed = true;
        for (var pass = 1; pass < MaxPasses && changed; pass++)
        {
            changed = false;
            foreach (var i in order)
            {
                Add(i, weight.Means[i] - rounded[i]);
                changed |= Choose(i);
            }
        }

        bool Choose(int i)
        {
            var error = rounded[i] - weight.Means[i];
            var step = error > 0 ? -1 : 1;
            var turns = weight.CanBe(rounded[i] + step) && Cost(i, error + step) < Cost(i, error) - MinGain;
            if (turns)
                rounded[i] += step;
            Add(i, rounded[i] - weight.Means[i]);
            return turns;
        }

        double Disagreement(int i)
        {
            var total = 0.0;
            for (var d = 0; d < leans.Length; d++)
                total += weight.Lambdas[d] * Math.Abs(weight.Value(d, i) - weight.Means[i]);
            return total;
        }

        void Add(int i, double error)
        {
            sum += error;
            kernels[(i - start) / weight.KernelSize] += error;
            for (var d = 0; d < leans.Length; d++)
                leans[d] += error * (weight.Value(d, i) - weight.Means[i]);
        }

        double Cost(int i, double error)
        {
            var kernelSum = kernels[(i - start) / weight.KernelSize] + error;
            var cost = (error * error)
                + (kernelShare * kernelSum * kernelSum)
                + (balance * (sum + error) * (sum + error));
            for (var d = 0; d < leans.Length; d++)
            {
                var lean = leans[d] + (error * (weight.Value(d, i) - weight.Means[i]));
                cost += fairness * weight.Lambdas[d] * lean * lean;
            }
            return cost;
        }
    }
}
