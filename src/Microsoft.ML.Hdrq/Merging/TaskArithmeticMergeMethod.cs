using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary>Merges by task arithmetic: <c>W = W0 + scale sum lambda_d (W_d - W0)</c>.</summary>
internal sealed class TaskArithmeticMergeMethod(Network source, double scale) : MergeMethod
{
    public override string Name => "task arithmetic";

    public override MergeRule Prepare(Graph graph, IReadOnlyList<MergeInput> networks)
    {
        var differences = new TaskVectors(source, graph, networks[0].Parameters);
        return parameter =>
        {
            var origin = differences.Origin(parameter);
            var values = networks.Select(network => (network.Share, Values: network.Values(parameter)))
                .ToArray();
            return
            [
                .. origin.Select((from, i) =>
                    from + scale * values.Sum(network => network.Share * (network.Values[i] - from))),
            ];
        };
    }
}
