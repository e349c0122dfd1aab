using System.Collections.Immutable;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>The values between blocks that blocks further on read, by name. Those of which only the shape is read take no memory.</summary>
internal sealed class CarriedValues(ImmutableArray<Block> blocks) : IDisposable
{
    private readonly Dictionary<string, ActivationCache> _values = new(StringComparer.Ordinal);

    /// <summary>Takes over a value.</summary>
    public void Add(string name, ActivationCache value) => _values.Add(name, value);

    /// <summary>Adds values inside of blocks of which other blocks read the shape.</summary>
    public void AddShapes(IReadOnlyDictionary<string, long[]> rowShapes, long count)
    {
        foreach (var (name, rowShape) in rowShapes)
            Add(name, ActivationCache.ShapeOf(count, rowShape));
    }

    /// <summary>A value.</summary>
    public ActivationCache Of(string name) => _values[name];

    /// <summary>The inputs of a block.</summary>
    public List<ActivationCache> Of(Block block) => [.. block.Inputs.Select(Of)];

    /// <summary>Disposes what no block after this one reads.</summary>
    public void Forget(int block)
    {
        foreach (var (name, value) in _values.ToList())
        {
            var readers = blocks.Skip(block + 1).Where(reader => reader.Inputs.Contains(name)).ToList();
            if (readers.Exists(reader => !reader.ReadsOnlyShape(name)) || (readers.Count > 0 && value.HasOnlyShape))
                continue;
            if (readers.Count == 0)
                _values.Remove(name);
            else
                _values[name] = ActivationCache.ShapeOf(value.Count, value.RowShape);
            value.Dispose();
        }
    }

    public void Dispose()
    {
        foreach (var value in _values.Values)
            value.Dispose();
    }
}
