using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>Estimates traces and largest eigenvalues of a Hessian.</summary>
internal static class Curvature
{
    /// <summary>Measures the curvature of a network's loss.</summary>
    /// <param name="network">The network, on the device to compute on; not changed.</param>
    /// <param name="evaluation">The images.</param>
    /// <param name="options">What to measure, and how closely.</param>
    /// <param name="seed">The seed of the random vectors.</param>
    /// <param name="progress">Receives a report of every product with the Hessian.</param>
    /// <param name="cancellationToken">Ends the measurement between two batches.</param>
    public static CurvatureReport Measure(
        Network network, Evaluation evaluation, AnalysisOptions options, int seed,
        IProgress<AnalysisProgress>? progress, CancellationToken cancellationToken)
    {
        using var surface = new LossSurface(network, evaluation, options.Loss);
        return Measure(surface, options, seed, progress, cancellationToken);
    }

    internal static CurvatureReport Measure(
        LossSurface surface, AnalysisOptions options, int seed,
        IProgress<AnalysisProgress>? progress, CancellationToken cancellationToken)
    {
        using var scope = torch.NewDisposeScope();
        using var generator = new torch.Generator((ulong)(uint)seed);
        var all = Enumerable.Range(0, surface.Weights.Length).ToImmutableArray();
        var iterations = options.BlockEigenvalues ? 1 + surface.Blocks.Length : 1;
        var (done, total) = (0, options.Probes + options.PowerIterations * iterations);
        var traces = Enumerable.Range(0, surface.Blocks.Length + 1).Select(_ => new List<double>()).ToArray();
        for (var probe = 0; probe < options.Probes; probe++)
        {
            using var probeScope = torch.NewDisposeScope();
            var signs = Vectors.Signs(surface.Weights, generator);
            var product = Multiply(all, signs);
            // One product serves the whole and every block: signs of different blocks are independent, so that
            // entries outside a block's diagonal average out.
            traces[0].Add(Vectors.Dot(signs, product));
            for (var b = 0; b < surface.Blocks.Length; b++)
                traces[b + 1].Add(Vectors.Dot(Of(b, signs), Of(b, product)));
        }
        var whole = Row("", all, traces[0], options.PowerIterations > 0);
        var withEigenvalues = options.BlockEigenvalues && options.PowerIterations > 0;
        var blocks = surface.Blocks
            .Select((block, b) => Row(block.Name, block.Weights, traces[b + 1], withEigenvalues))
            .ToImmutableArray();
        return new CurvatureReport(options.Loss, whole, blocks);

        IEnumerable<torch.Tensor> Of(int block, torch.Tensor[] vector) =>
            surface.Blocks[block].Weights.Select(index => vector[index]);

        torch.Tensor[] Multiply(ImmutableArray<int> indices, torch.Tensor[] vector)
        {
            var product = surface.HessianProduct(indices, vector, cancellationToken);
            // Iterations with a shift make more products than were counted.
            progress?.Report(new AnalysisProgress(Math.Min(++done, total), total));
            return product;
        }

        BlockCurvature Row(string name, ImmutableArray<int> indices, List<double> samples, bool withEigenvalue)
        {
            var mean = samples.Average();
            var squares = samples.Sum(sample => (sample - mean) * (sample - mean));
            var error = samples.Count > 1 ? Math.Sqrt(squares / (samples.Count - 1) / samples.Count) : double.NaN;
            return new BlockCurvature(
                name, indices.Sum(index => surface.Weights[index].numel()), mean, error,
                withEigenvalue ? LargestEigenvalue(indices) : null);
        }

        double LargestEigenvalue(ImmutableArray<int> indices)
        {
            var strongest = PowerIteration(indices, 0);
            // The eigenvalue of largest magnitude, c, may be negative. Then all eigenvalues of H - c 1 are at least 0,
            // and the one of largest magnitude is the largest of H, minus c.
            return strongest >= 0 ? strongest : strongest + PowerIteration(indices, strongest);
        }

        double PowerIteration(ImmutableArray<int> indices, double shift)
        {
            using var iterationScope = torch.NewDisposeScope();
            var start = Vectors.Signs(indices.Select(index => surface.Weights[index]), generator);
            var (vector, _) = Vectors.Normalized(start);
            var eigenvalue = 0.0;
            for (var i = 0; i < options.PowerIterations; i++)
            {
                using var stepScope = torch.NewDisposeScope();
                var product = Multiply(indices, vector);
                if (shift != 0)
                {
                    product =
                        [.. product.Zip(vector, (part, direction) => part.sub(direction.mul(Scalars.Keep(shift))))];
                }
                var quotient = Vectors.Dot(vector, product);
                var (next, norm) = Vectors.Normalized(product);
                var change = Math.Abs(quotient - eigenvalue);
                eigenvalue = quotient;
                if (norm == 0)
                    return 0;
                foreach (var part in next)
                    part.MoveToOuterDisposeScope();
                vector = next;
                if (i > 0 && change <= options.Tolerance * Math.Abs(quotient))
                    break;
            }
            return eigenvalue;
        }
    }
}
