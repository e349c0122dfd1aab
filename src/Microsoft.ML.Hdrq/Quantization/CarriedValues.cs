using System.Collections.Immutable;

namespace Microsoft.ML.Hdrq.Quantization;

/// <summary>
/// Holds the values between blocks that later blocks read, by name. Values whose shape alone is read take no memory.
/// </summary>
internal sealed class CarriedValues(ImmutableArray<Block> blocks) : IDisposable
{
    private readonly Dictionary<string, ActivationCache> _values = new(StringComparer.Ordinal);

    /// <summary>Adds a value and takes ownership of it.</summary>
    public void Add(string name, ActivationCache value) => _values.Add(name, value);

    /// <summary>Adds values inside blocks whose shape other blocks read.</summary>
    public void AddShapes(IReadOnlyDictionary<string, long[]> rowShapes, long count)
    {
        foreach (var (name, rowShape) in rowShapes)
            Add(name, ActivationCache.ShapeOf(count, rowShape));
    }

    /// <summary>Gets a value.</summary>
    public ActivationCache Of(string name) => _values[name];

    /// <summary>Gets the inputs of a block.</summary>
    public List<ActivationCache> Of(Block block) => [.. block.Inputs.Select(Of)];

    /// <summary>Disposes the values that no later block reads.</summary>
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
