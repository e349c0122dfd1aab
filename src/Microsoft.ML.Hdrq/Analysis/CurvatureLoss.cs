namespace Microsoft.ML.Hdrq.Analysis;

/// <summary>The loss whose curvature is measured.</summary>
public enum CurvatureLoss
{
    /// <summary>The cross-entropy of the scores with the labels, averaged over the images.</summary>
    CrossEntropy,

    /// <summary>
    /// The squared difference between the scores and those of the same network at its present weights, summed over the
    /// scores and averaged over the images. At these weights it is 0; it needs no labels. Its Hessian is
    /// <c>2 J^T J</c>, with J the derivatives of the scores, which has no negative eigenvalue.
    /// </summary>
    Reconstruction,
}
