namespace Microsoft.ML.Hdrq.Onnx;

/// <summary>
/// Sorts nodes so that each follows the nodes whose outputs it reads. A file that is sorted already keeps its order.
/// </summary>
internal static class TopologicalOrder
{
    /// <exception cref="InvalidDataException">
    /// A value is defined twice, a value is read but not defined, or the nodes form a cycle.
    /// </exception>
    public static IReadOnlyList<OnnxNode> Sort(IReadOnlyList<OnnxNode> nodes, IEnumerable<string> given)
    {
        var known = given.ToHashSet(StringComparer.Ordinal);
        var definers = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var n = 0; n < nodes.Count; n++)
        {
            foreach (var output in nodes[n].Outputs)
            {
                if (output.Length > 0 && (known.Contains(output) || !definers.TryAdd(output, n)))
                    throw new InvalidDataException($"Node {nodes[n]} defines '{output}', which is defined already.");
            }
        }

        // Kahn's algorithm; taking the smallest ready index first keeps the order of a sorted file.
        var waitingFor = new int[nodes.Count];
        var readers = new List<int>[nodes.Count];
        var ready = new PriorityQueue<int, int>();
        for (var n = 0; n < nodes.Count; n++)
        {
            foreach (var input in nodes[n].Inputs)
            {
                if (input.Length == 0 || known.Contains(input))
                    continue;
                if (!definers.TryGetValue(input, out var definer))
                    throw new InvalidDataException($"Node {nodes[n]} reads '{input}', which nothing defines.");
                (readers[definer] ??= []).Add(n);
                waitingFor[n]++;
            }
            if (waitingFor[n] == 0)
                ready.Enqueue(n, n);
        }
        var sorted = new List<OnnxNode>(nodes.Count);
        while (ready.TryDequeue(out var n, out _))
        {
            sorted.Add(nodes[n]);
            foreach (var reader in readers[n] ?? [])
            {
                if (--waitingFor[reader] == 0)
                    ready.Enqueue(reader, reader);
            }
        }
        if (sorted.Count == nodes.Count)
            return sorted;
        var node = nodes[Array.FindIndex(waitingFor, count => count > 0)];
        throw new InvalidDataException($"The graph has a cycle through node {node}.");
    }
}
