using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.PublicApi.Tests;

/// <summary>
/// Takes all weights and biases of the network whose weights have the least norm. A method as users write one: of
/// public types only, in one file.
/// </summary>
internal sealed class LeastNormMergeMethod : MergeMethod
{
    public override string Name => "least norm";

    public override MergeRule Prepare(Graph graph, IReadOnlyList<MergeInput> networks)
    {
        var chosen = networks.MinBy(network => network.Parameters
            .SelectMany(parameter => network.Values(parameter))
            .Sum(value => value * value))!;
        return parameter => chosen.Values(parameter);
    }
}
