using System.Numerics.Tensors;
using Microsoft.ML.Hdrq.Networks.Layers;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>
/// Rounds a layer's weight so that its outputs change as little as possible, given the Gram matrix G of its inputs: the
/// rounding errors e of each output channel keep <c>e G e^T</c> small. Weights are rounded one after another, and those
/// not yet rounded compensate, as far as they can, for the effect of the earlier errors on the output. That is the
/// greedy choice of GPTQ (Frantar, Ashkboos, Hoefler, Alistarh, "GPTQ: Accurate Post-Training Quantization for
/// Generative Pre-trained Transformers", ICLR 2023, arXiv 2210.17323), here for matrices <c>diag(d) + F F^T</c>, in
/// time and memory that are linear in the number of inputs of an output channel, for a given rank of F.
/// </summary>
/// <remarks>
/// When the errors of some weights are chosen, with <c>s = sum F_i e_i</c>, the best change of the others is
/// <c>-F_j M^-1 s / d_j</c>, where <c>M = I + sum F_j^T F_j / d_j</c> over those others. M does not depend on the
/// errors, so one pass from the last weight to the first computes what every output channel needs.
/// </remarks>
internal static class CompensatedRounding
{
    /// <summary>
    /// The damping added to the diagonal, relative to the mean of the whole diagonal, as GPTQ's authors do.
    /// </summary>
    private const double Damping = 0.01;

    /// <summary>Rounds a weight.</summary>
    /// <param name="weight">
    /// The weight, whose <see cref="MergedWeight.Means"/> are rounded. Scales may differ between output channels, not
    /// within one.
    /// </param>
    /// <param name="gram">The Gram matrix, with one row for each weight of an output channel.</param>
    public static int[] Round(MergedWeight weight, InputGram gram)
    {
        var (size, rank) = ((int)gram.Factor.shape[0], (int)gram.Factor.shape[1]);
        var factor = rank == 0 ? [] : gram.Factor.contiguous().data<double>().ToArray();
        var (order, reactions) = Prepare(gram.Rest.data<double>().ToArray(), factor, size, rank);
        var rounded = new int[weight.Count];
        Parallel.For(0, weight.Channels, channel =>
        {
            var sum = new double[rank];
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
        });
        return rounded;
    }

    /// <summary>Rounds a weight, given a whole matrix.</summary>
    /// <param name="weight">
    /// The weight, whose <see cref="MergedWeight.Means"/> are rounded. Scales may differ between output channels, not
    /// within one.
    /// </param>
    /// <param name="gram">G, [inputs, inputs].</param>
    /// <remarks>
    /// With the factor <c>U^T U</c> of the inverse of G, U upper triangular, the best change of the weights after the
    /// i-th is <c>-e_i U_ij / U_ii</c>.
    /// </remarks>
    public static int[] Round(MergedWeight weight, torch.Tensor gram)
    {
        using var scope = torch.NewDisposeScope();
        var size = (int)gram.shape[0];
        var diagonal = gram.diagonal();
        var values = diagonal.contiguous().data<double>().ToArray();
        var order = Enumerable.Range(0, size).OrderByDescending(i => values[i]).ToArray();
        var places = torch.tensor(order.Select(i => (long)i).ToArray());
        var damping = diagonal.mean().mul(Scalars.Keep(Damping))
            .add(Scalars.Keep(RegMeanMergeMethod.Tiny), Scalars.One);
        var damped = gram.index_select(0, places).index_select(1, places)
            .add(torch.eye(size, dtype: gram.dtype).mul(damping), Scalars.One);
        // The rows of U, each divided by its diagonal element.
        var upper = torch.linalg.cholesky(torch.linalg.inv(damped)).t();
        var reactions = upper.div(upper.diagonal().unsqueeze(1)).contiguous().data<double>().ToArray();
        var rounded = new int[weight.Count];
        Parallel.For(0, weight.Channels, channel =>
        {
            var wanted = new double[size];
            for (var n = 0; n < size; n++)
                wanted[n] = weight.Means[channel * size + order[n]];
            for (var n = 0; n < size; n++)
            {
                var integer = weight.Round(wanted[n]);
                rounded[channel * size + order[n]] = integer;
                var error = wanted[n] - integer;
                TensorPrimitives.MultiplyAdd(
                    reactions.AsSpan(n * size + n + 1, size - n - 1), -error, wanted.AsSpan(n + 1),
                    wanted.AsSpan(n + 1));
            }
        });
        return rounded;
    }

    /// <summary>
    /// The order of the weights, and for each <c>F_i M_i^-1 / d_i</c>, where M_i covers it and those after it.
    /// </summary>
    private static (int[] Order, double[] Reactions) Prepare(double[] rest, double[] factor, int size, int rank)
    {
        var whole = Enumerable.Range(0, size)
            .Select(i => rest[i] + factor.AsSpan(i * rank, rank).ToArray().Sum(value => value * value))
            .ToArray();
        // The inputs with the largest moments come first, while most of the others are left to compensate for them.
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
            // Sherman and Morrison give the inverse of M + F_i^T F_i / d_i; its product with F_i has a closed form too.
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
