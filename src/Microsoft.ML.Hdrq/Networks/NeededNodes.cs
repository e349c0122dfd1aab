namespace Microsoft.ML.Hdrq.Networks;

/// <summary>Finds the nodes that outputs need, directly or through other nodes.</summary>
internal static class NeededNodes
{
    /// <summary>Goes through the nodes that outputs need, from the last one to the first.</summary>
    /// <param name="nodes">The nodes, each after those whose outputs it reads.</param>
    /// <param name="outputs">The names of the outputs.</param>
    public static IEnumerable<GraphNode> Backwards(IReadOnlyList<GraphNode> nodes, IEnumerable<string> outputs)
    {
        var needed = outputs.ToHashSet(StringComparer.Ordinal);
        for (var n = nodes.Count - 1; n >= 0; n--)
        {
            if (!nodes[n].Outputs.Any(needed.Contains))
                continue;
            needed.UnionWith(nodes[n].Inputs);
            yield return nodes[n];
        }
    }
}
