namespace Microsoft.ML.Hdrq.Networks;

/// <summary>
/// Noise on a network's moments, so that they are differentially private: whoever knows the network and all images but
/// one learns from the moments nearly nothing of that one.
/// </summary>
/// <remarks>
/// For a given network, all its moments together are (<see cref="Epsilon"/>, <see cref="Delta"/>)-differentially
/// private with respect to replacing one image (Dwork and Roth, "The Algorithmic Foundations of Differential Privacy",
/// 2014). The contribution of an image is, for each layer, the mean of <c>[x; 1][x; 1]^T</c> over its positions, where
/// x are the layer's inputs at one position, in units of the range of their quantizer; over all layers together its
/// norm is clipped to a bound that depends on the number of layers alone. Symmetric Gaussian noise is added to the
/// whole matrices ("Analyze Gauss", STOC 2014), of the deviation of the analytic Gaussian mechanism (Balle and Wang,
/// ICML 2018), from a cryptographic generator that has no seed: the same step gives other moments each time. All that
/// follows, such as choosing directions, needs the noisy matrices alone.
/// <para>
/// The guarantee is for the moments. It is none for the weights, biases and scales, which were trained on the images,
/// nor for moments of other files of the same images: there the epsilons and deltas add up. Numbers are in floating
/// point, with the reservations that this has (Mironov, CCS 2012).
/// </para>
/// </remarks>
public sealed record MomentNoise
{
    /// <summary>Epsilon, from 0.01 to 100; 8 by default. Smaller means more noise and less known.</summary>
    public double Epsilon { get; init; } = 8;

    /// <summary>
    /// Delta, from 1e-12 to 0.001, and below 1 in the number of images; 0.00001 by default.
    /// </summary>
    public double Delta { get; init; } = 1e-5;

    /// <exception cref="ArgumentOutOfRangeException">An option is out of range; the message names it.</exception>
    internal void Check()
    {
        OptionCheck.Range(nameof(Epsilon), Epsilon, 0.01, 100, "from 0.01 to 100");
        OptionCheck.Range(nameof(Delta), Delta, 1e-12, 1e-3, "from 1e-12 to 0.001");
    }
}
