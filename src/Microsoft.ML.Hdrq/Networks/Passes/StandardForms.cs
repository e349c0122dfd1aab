namespace Microsoft.ML.Hdrq.Networks.Passes;

/// <summary>
/// The forms that quantization, training and ONNX Runtime's integer kernels know, for networks that were read or built.
/// </summary>
internal static class StandardForms
{
    /// <summary>Brings a network into these forms.</summary>
    /// <param name="network">The network, constants folded; disposed where another takes its place.</param>
    /// <param name="tolerance">
    /// How far the constants of activations may be off, relative to what they should be.
    /// </param>
    /// <returns>The network that computes the same.</returns>
    public static Network Apply(Network network, double tolerance = CollapseActivations.Tolerance) =>
        Replace(
            Replace(
                Replace(network, given => CollapseActivations.Apply(given, tolerance)),
                PadBeforePooling.Apply),
            ExplicitAxes.Apply);

    /// <summary>What a pass makes of a network, or the network itself where the pass makes nothing of it.</summary>
    public static Network Replace(Network network, Func<Network, Network?> pass)
    {
        if (pass(network) is not { } replaced)
            return network;
        network.Dispose();
        return replaced;
    }
}
