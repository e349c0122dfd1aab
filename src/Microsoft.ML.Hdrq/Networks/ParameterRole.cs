namespace Microsoft.ML.Hdrq.Networks;

/// <summary>How training and merging treat a parameter.</summary>
public enum ParameterRole
{
    /// <summary>A floating-point tensor that training may change, such as a convolution's weight.</summary>
    Weight,

    /// <summary>
    /// A running statistic of a normalization: not trained by gradient, updated in <see cref="ForwardMode.Training"/>.
    /// </summary>
    Statistic,

    /// <summary>A fixed value, such as a shape, an axis list or the mean of the input images.</summary>
    Constant,
}
