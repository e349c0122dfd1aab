
namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>The loss whose curvature is measured.</summary>
public enum CurvatureLoss
{
    /// <summary>The cross-entropy of the scores with the labels, averaged over the images.</summary>
    CrossEntropy,

    /// <summary>
    /// The squared difference between the scores and those of the same network at the present weights, summed over the scores and averaged over the images. It is 0 there and needs no labels;
    /// its Hessian is <c>2 J^T J</c>, with J the derivatives of the scores, which has no negative eigenvalue.
    /// </summary>
    Reconstruction,
}
