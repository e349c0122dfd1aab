using Microsoft.ML.Hdrq.Networks.Layers;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>
/// Rounds a layer's weight so that its outputs change least, by the Gram matrix G of its inputs: makes <c>e G e^T</c> small for the rounding errors e of each output channel. Weights are rounded one after the other, and
/// those that are not rounded yet take back, as well as they can, what rounding the others has done to the output. That is the greedy choice of GPTQ (Frantar, Ashkboos, Hoefler, Alistarh, "GPTQ: Accurate Post-Training
/// Quantization for Generative Pre-trained Transformers", ICLR 2023, arXiv 2210.17323), here for matrices <c>diag(d) + F F^T</c>, with no step that takes the square of the inputs.
/// </summary>
/// <remarks>
/// After the errors of some weights are chosen, with <c>s = sum F_i e_i</c>, the others would best be changed by <c>-F_j M^-1 s / d_j</c>, where <c>M = I + sum F_j^T F_j / d_j</c> over those. M does not depend on the errors,
/// so that one pass from the last weight to the first has all that every output channel needs.
/// </remarks>
internal static class CompensatedRounding
{
    /// <summary>What is added to the diagonal, relative to the mean of the whole diagonal, as GPTQ's authors do.</summary>
    private const double Damping = 0.01;

    /// <summary>Rounds.</summary>
    /// <param name="weight">The weight, of which <see cref="MergedWeight.Means"/> is to be rounded; its scale may differ between output channels, not within one.</param>
    /// <param name="gram">The Gram matrix, of as many rows as an output channel has weights.</param>
    public static int[] Round(MergedWeight weight, InputGram gram)
    {
        var (size, rank) = ((int)gram.Factor.shape[0], (int)gram.Factor.shape[1]);
        var factor = rank == 0 ? [] : gram.Factor.contiguous().data<double>().ToArray();
        var (order, reactions) = Prepare(gram.Rest.data<double>().ToArray(), factor, size, rank);
        var rounded = new int[weight.Count];
        var sum = new double[rank];
        for (var channel = 0; channel < weight.Channels; channel++)
        {
            Array.Clear(sum);
            foreach (var i in order)
            {
                var place = channel * size + i;
                var row = factor.AsSpan(i * rank, rank);
                var reaction = reactions.AsSpan(i * rank, rank);
                var wanted = weight.Means[place];
                for (var k = 0; k < rank; k++)
                    wanted -= reaction[k] * sum[k];
                rounded[place] = weight.Round(wanted);
                var error = rounded[place] - weight.Means[place];
                for (var k = 0; k < rank; k++)
                    sum[k] += error * row[k];
            }
        }
        return rounded;
    }

    /// <summary>The order of the weights, and for each <c>F_i M_i^-1 / d_i</c>, where M_i counts it and those after it.</summary>
    private static (int[] Order, double[] Reactions) Prepare(double[] rest, double[] factor, int size, int rank)
    {
        var whole = Enumerable.Range(0, size).Select(i => rest[i] + factor.AsSpan(i * rank, rank).ToArray().Sum(value => value * value)).ToArray();
        // Inputs that matter most come first, when there are the most others left to make up for them.
        var order = Enumerable.Range(0, size).OrderByDescending(i => whole[i]).ToArray();
        var damping = Damping * whole.Average() + RegMeanMergeMethod.Tiny;
        var inverse = new double[rank * rank];
        for (var k = 0; k < rank; k++)
            inverse[k * rank + k] = 1;
        var reactions = new double[size * rank];
        var along = new double[rank];
        for (var n = size - 1; n >= 0; n--)
        {
            var i = order[n];
            var row = factor.AsSpan(i * rank, rank);
            var diagonal = rest[i] + damping;
            var quadratic = 0.0;
            for (var k = 0; k < rank; k++)
            {
                along[k] = 0;
                for (var l = 0; l < rank; l++)
                    along[k] += inverse[k * rank + l] * row[l];
                quadratic += along[k] * row[k];
            }
            // Sherman and Morrison: the inverse of M + F_i^T F_i / d_i; its product with F_i has a closed form too.
            for (var k = 0; k < rank; k++)
            {
                for (var l = 0; l < rank; l++)
                    inverse[k * rank + l] -= along[k] * along[l] / (diagonal + quadratic);
                reactions[i * rank + k] = along[k] / (diagonal + quadratic);
            }
        }
        return (order, reactions);
    }
}
