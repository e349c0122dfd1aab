using System.Collections.Immutable;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks;

/// <summary>What a network consists of, wherever its parameters are: to be read, and not to be computed with.</summary>
internal interface INetworkContent
{
    /// <inheritdoc cref="Network.Graph"/>
    Graph Graph { get; }

    /// <summary>Where the parameters come to be when they are read.</summary>
    torch.Device Device { get; }

    /// <summary>
    /// The parameters by name. Read them in a dispose scope: tensors may belong to the network or to the scope. They
    /// are neither changed nor disposed.
    /// </summary>
    IReadOnlyDictionary<string, torch.Tensor> Parameters { get; }

    /// <inheritdoc cref="Network.Metadata"/>
    ImmutableSortedDictionary<string, string> Metadata { get; }

    /// <inheritdoc cref="Network.ClassNames"/>
    IReadOnlyList<string>? ClassNames { get; }

    /// <inheritdoc cref="Network.MaxValueSize"/>
    long MaxValueSize { get; }

    /// <inheritdoc cref="Network.IsQuantized"/>
    bool IsQuantized => !Graph.Layers.Quantizers.IsEmpty;
}
