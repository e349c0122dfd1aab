using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>
/// How strongly the loss bends at a network's weights: trace and largest eigenvalue of its Hessian. The weights are those of convolutions and matrix products, batch normalization folded into them; biases do not count.
/// </summary>
/// <remarks>
/// The trace is Hutchinson's estimate, the mean of <c>v^T H v</c> over vectors v of random signs (Hutchinson 1990; Yao et al., "PyHessian", 2020); eigenvalues are found by power iteration.
/// Of a quantized network the Hessian is taken at the weights on their grid, and its activation quantizers count as the straight-through estimator has them: values are those of the quantized network, and each
/// quantizer is the line of slope 1 through its value, or of slope 0 where it clips. <c>H v</c> is computed by differentiating twice; where a network has an operator for which that is not known to work, by central differences
/// <c>(g(w + e v) - g(w - e v)) / 2e</c> of gradients, with e a hundredth of the ratio of the lengths of w and v, which in single precision were right to about a tenth on a smooth network, and also see what changes at kinks of activations between the two points: where a small network has many, the result can be far off.
/// </remarks>
public sealed class CurvatureReport
{
    internal CurvatureReport(CurvatureLoss loss, BlockCurvature whole, ImmutableArray<BlockCurvature> blocks)
    {
        Loss = loss;
        Whole = whole;
        Blocks = blocks;
    }

    /// <summary>The loss whose curvature this is.</summary>
    public CurvatureLoss Loss { get; }

    /// <summary>All weights together.</summary>
    public BlockCurvature Whole { get; }

    /// <summary>The blocks in the order of the graph, each with the Hessian in its own weights.</summary>
    public ImmutableArray<BlockCurvature> Blocks { get; }

    /// <summary>The curvature as text.</summary>
    /// <returns>A line for the whole and one for each block.</returns>
    public override string ToString()
    {
        var text = new StringBuilder();
        foreach (var block in Blocks.Insert(0, Whole))
        {
            text.Append(CultureInfo.InvariantCulture, $"{(block.Name.Length == 0 ? "whole" : block.Name)}: {block.Weights} weights, trace {block.Trace:G5} +- {block.TraceStandardError:G2}");
            if (block.LargestEigenvalue is { } largest)
                text.Append(CultureInfo.InvariantCulture, $", largest eigenvalue {largest:G5}");
            text.AppendLine();
        }
        return text.ToString();
    }
}
