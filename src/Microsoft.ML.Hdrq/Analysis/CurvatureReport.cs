using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>
/// How strongly the loss bends at a network's weights: the trace and the largest eigenvalue of its Hessian. The weights
/// are those of convolutions and matrix products, with batch normalization folded into them; biases do not count.
/// </summary>
/// <remarks>
/// The trace is Hutchinson's estimate, the mean of <c>v^T H v</c> over vectors v of random signs (Hutchinson 1990; Yao
/// et al., "PyHessian", 2020). Eigenvalues are found by power iteration.
/// <para>
/// The Hessian of a quantized network is taken at the weights on their grid. Its activation quantizers count as in the
/// straight-through estimator: values are those of the quantized network, and each quantizer is a line of slope 1
/// through its value, or of slope 0 where it clips.
/// </para>
/// <para>
/// <c>H v</c> is computed by differentiating twice. Where a network has an operator that may not support this, central
/// differences <c>(g(w + e v) - g(w - e v)) / 2e</c> of gradients are taken instead, with e a hundredth of the ratio of
/// the lengths of w and v. In single precision these were right to about a tenth on a smooth network. They also see
/// what changes at kinks of activations between the two points: where a small network has many kinks, the result can be
/// far off.
/// </para>
/// </remarks>
public sealed class CurvatureReport
{
    internal CurvatureReport(CurvatureLoss loss, BlockCurvature whole, ImmutableArray<BlockCurvature> blocks)
    {
        Loss = loss;
        Whole = whole;
        Blocks = blocks;
    }

    /// <summary>The loss whose curvature was measured.</summary>
    public CurvatureLoss Loss { get; }

    /// <summary>All weights together.</summary>
    public BlockCurvature Whole { get; }

    /// <summary>The blocks, in the order of the graph, each with the Hessian in its own weights.</summary>
    public ImmutableArray<BlockCurvature> Blocks { get; }

    /// <summary>Formats the curvature as text.</summary>
    /// <returns>A line for the whole and one for each block.</returns>
    public override string ToString()
    {
        var text = new StringBuilder();
        foreach (var block in Blocks.Insert(0, Whole))
        {
            var name = block.Name.Length == 0 ? "whole" : block.Name;
            text.Append(CultureInfo.InvariantCulture, $"{name}: {block.Weights} weights, ");
            text.Append(CultureInfo.InvariantCulture, $"trace {block.Trace:G5} +- {block.TraceStandardError:G2}");
            if (block.LargestEigenvalue is { } largest)
                text.Append(CultureInfo.InvariantCulture, $", largest eigenvalue {largest:G5}");
            text.AppendLine();
        }
        return text.ToString();
    }
}
