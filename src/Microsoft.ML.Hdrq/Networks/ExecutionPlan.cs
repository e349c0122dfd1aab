namespace Microsoft.ML.Hdrq.Networks;

/// <summary>
/// A graph with its names resolved: a slot for every value (inputs first, then parameters, then the outputs of the
/// nodes), and for every node the slots that it is the last to read.
/// </summary>
internal sealed class ExecutionPlan
{
    public ExecutionPlan(Graph graph)
    {
        var slots = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var input in graph.Inputs)
            slots.Add(input.Name, slots.Count);
        FirstParameter = slots.Count;
        foreach (var parameter in graph.Parameters)
            slots.Add(parameter.Name, slots.Count);
        FirstComputed = slots.Count;
        foreach (var output in graph.Nodes.SelectMany(node => node.Outputs))
        {
            if (output.Length > 0)
                slots.Add(output, slots.Count);
        }
        SlotCount = slots.Count;
        Inputs =
        [
            .. graph.Nodes.Select(node => node.Inputs.Select(name => name.Length == 0 ? -1 : slots[name]).ToArray()),
        ];
        Outputs =
        [
            .. graph.Nodes.Select(node => node.Outputs.Select(name => name.Length == 0 ? -1 : slots[name]).ToArray()),
        ];
        GraphOutputs = [.. graph.Outputs.Select(output => slots[output.Name])];

        var lastReader = new int[SlotCount];
        Array.Fill(lastReader, -1);
        for (var node = 0; node < Inputs.Length; node++)
        {
            foreach (var slot in Inputs[node])
            {
                if (slot >= 0)
                    lastReader[slot] = node;
            }
        }
        var kept = GraphOutputs.ToHashSet();
        var dying = new List<int>[Inputs.Length];
        for (var node = 0; node < Inputs.Length; node++)
            dying[node] = [];
        for (var node = 0; node < Inputs.Length; node++)
        {
            foreach (var slot in Outputs[node])
            {
                if (slot >= 0 && !kept.Contains(slot))
                    dying[Math.Max(node, lastReader[slot])].Add(slot);
            }
        }
        Dying = [.. dying.Select(list => list.ToArray())];
    }

    public int SlotCount { get; }

    public int FirstParameter { get; }

    public int FirstComputed { get; }

    /// <summary>The slots that each node reads; -1 where an optional input is left out.</summary>
    public int[][] Inputs { get; }

    /// <summary>The slots that each node defines; -1 where an optional output is left out.</summary>
    public int[][] Outputs { get; }

    /// <summary>The computed slots that nothing reads after each node.</summary>
    public int[][] Dying { get; }

    public int[] GraphOutputs { get; }
}
