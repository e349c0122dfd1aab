using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Merging;

/// <summary><c>W = W0 + scale sum lambda_d (W_d - W0)</c>.</summary>
internal sealed class TaskArithmeticMergeMethod(Network source, double scale) : MergeMethod
{
    internal override string Name => "task arithmetic";

    internal override Func<ParameterDefinition, MergeTarget?>? Prepare(Graph graph, IReadOnlyList<MergeSource> sources)
    {
        var differences = new TaskVectors(source, graph, sources);
        return definition =>
        {
            var origin = differences.Origin(definition);
            return new([.. Enumerable.Range(0, origin.Length).Select(i => origin[i] + scale * sources.Sum(network => network.Lambda * (network.Exact(definition.Name)[i] - origin[i])))]);
        };
    }
}
