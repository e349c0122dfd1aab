using System.Collections;
using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>
/// The attributes of an operator by their ONNX names. A value is a <see cref="long"/>, <see cref="float"/>,
/// <see cref="string"/>, <see cref="TensorData"/>, or an immutable array of <see cref="long"/>, <see cref="float"/> or
/// <see cref="string"/>. Equality is by content.
/// </summary>
public sealed class OperatorAttributes : IEquatable<OperatorAttributes>, IEnumerable<KeyValuePair<string, object>>
{
    private readonly ImmutableSortedDictionary<string, object> _values;

    /// <summary>
    /// For each attribute that was read, whether every reader found its own default value. Null where readings are not
    /// recorded.
    /// </summary>
    private readonly Dictionary<string, bool>? _readings;

    /// <summary>No attributes.</summary>
    public static readonly OperatorAttributes None = new([]);

    /// <summary>
    /// Collects attributes. Plain arrays are copied into immutable ones; <see cref="int"/> becomes <see cref="long"/>.
    /// </summary>
    /// <param name="values">Names and values.</param>
    /// <exception cref="ArgumentException">
    /// A name occurs twice, or a value has a type that ONNX does not allow.
    /// </exception>
    public OperatorAttributes(params ReadOnlySpan<(string Name, object Value)> values)
    {
        var builder = ImmutableSortedDictionary.CreateBuilder<string, object>(StringComparer.Ordinal);
        foreach (var (name, value) in values)
            builder.Add(name, Normalize(name, value));
        _values = builder.ToImmutable();
    }

    private OperatorAttributes(
        ImmutableSortedDictionary<string, object> values,
        Dictionary<string, bool>? readings = null)
    {
        _values = values;
        _readings = readings;
    }

    /// <summary>The number of attributes.</summary>
    public int Count => _values.Count;

    /// <summary>Whether an attribute of this name is present.</summary>
    /// <param name="name">The ONNX name.</param>
    /// <returns>True when it is present.</returns>
    public bool Contains(string name) => _values.ContainsKey(name);

    /// <summary>The value of an attribute, of any type.</summary>
    internal bool TryGet(string name, [MaybeNullWhen(false)] out object value) => _values.TryGetValue(name, out value);

    /// <summary>The same attributes, which record how they are read: see <see cref="WithoutDefaults"/>.</summary>
    internal OperatorAttributes Recording() => new(_values, new Dictionary<string, bool>(StringComparer.Ordinal));

    /// <summary>
    /// The attributes without those that have the default value of all their readers so far, so that only the operators
    /// know the defaults. Attributes that were not read stay. The result records nothing.
    /// </summary>
    internal OperatorAttributes WithoutDefaults() =>
        new(_readings is null
            ? _values
            : _values.RemoveRange(_readings.Where(reading => reading.Value).Select(reading => reading.Key)));

    /// <summary>
    /// Records whether a value is equivalent to an absent attribute, where the default value alone does not show it.
    /// </summary>
    internal void Record(string name, bool isDefault)
    {
        if (_readings is not null)
            _readings[name] = isDefault && _readings.GetValueOrDefault(name, true);
    }

    /// <summary>An integer attribute that has no default.</summary>
    /// <param name="name">The ONNX name.</param>
    /// <returns>Its value, or null where it is absent.</returns>
    /// <exception cref="InvalidDataException">The attribute has another type.</exception>
    internal long? OptionalInteger(string name)
    {
        Record(name, isDefault: false);
        return Contains(name) ? Get(name, 0L) : null;
    }

    /// <summary>An integer attribute.</summary>
    /// <param name="name">The ONNX name.</param>
    /// <param name="defaultValue">The value of an absent attribute.</param>
    /// <returns>Its value, or the default.</returns>
    /// <exception cref="InvalidDataException">The attribute has another type.</exception>
    public long Integer(string name, long defaultValue) => Get(name, defaultValue);

    /// <summary>A floating-point attribute.</summary>
    /// <inheritdoc cref="Integer"/>
    public float Float(string name, float defaultValue) => Get(name, defaultValue);

    /// <summary>A text attribute.</summary>
    /// <inheritdoc cref="Integer"/>
    public string Text(string name, string defaultValue) => Get(name, defaultValue);

    /// <summary>A list of integers; the default array where it is absent.</summary>
    /// <inheritdoc cref="Integer"/>
    public ImmutableArray<long> Integers(string name, ImmutableArray<long> defaultValue = default) =>
        Get(name, defaultValue);

    /// <summary>A list of floats; the default array where it is absent.</summary>
    /// <inheritdoc cref="Integer"/>
    public ImmutableArray<float> Floats(string name, ImmutableArray<float> defaultValue = default) =>
        Get(name, defaultValue);

    /// <summary>A tensor attribute; null where it is absent.</summary>
    /// <param name="name">The ONNX name.</param>
    /// <returns>Its value, or null.</returns>
    /// <exception cref="InvalidDataException">The attribute has another type.</exception>
    public TensorData? Tensor(string name) => Get<TensorData?>(name, null);

    /// <summary>The same attributes with one added or replaced.</summary>
    /// <param name="name">The ONNX name.</param>
    /// <param name="value">The value.</param>
    /// <returns>A new collection.</returns>
    public OperatorAttributes With(string name, object value) => new(_values.SetItem(name, Normalize(name, value)));

    /// <summary>The same attributes without one.</summary>
    /// <param name="name">The ONNX name; nothing changes when it is absent.</param>
    /// <returns>A new collection.</returns>
    public OperatorAttributes Without(string name) => new(_values.Remove(name));

    /// <inheritdoc/>
    public bool Equals(OperatorAttributes? other)
    {
        if (other is null || Count != other.Count)
            return false;
        foreach (var (name, value) in _values)
        {
            if (!other._values.TryGetValue(name, out var otherValue) || !ValueEquals(value, otherValue))
                return false;
        }
        return true;
    }

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as OperatorAttributes);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        var hash = new HashCode();
        foreach (var name in _values.Keys)
            hash.Add(name, StringComparer.Ordinal);
        return hash.ToHashCode();
    }

    /// <inheritdoc/>
    public IEnumerator<KeyValuePair<string, object>> GetEnumerator() => _values.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <inheritdoc/>
    public override string ToString() =>
        string.Join(", ", _values.Select(pair => $"{pair.Key}={Describe(pair.Value)}"));

    private T Get<T>(string name, T defaultValue)
    {
        if (!_values.TryGetValue(name, out var value))
            return defaultValue;
        if (value is T typed)
        {
            // For a list or tensor without a default, its reader records whether it is equivalent to an absent one.
            if (defaultValue is not (null
                or ImmutableArray<long> { IsDefault: true }
                or ImmutableArray<float> { IsDefault: true }))
                Record(name, ValueEquals(value, defaultValue));
            return typed;
        }
        // Many exporters write an empty list without an element type.
        if (value is ImmutableArray<float> { IsEmpty: true } && typeof(T) == typeof(ImmutableArray<long>))
            return (T)(object)ImmutableArray<long>.Empty;
        throw new InvalidDataException(
            $"Attribute '{name}' has the wrong type: {value.GetType().Name} instead of {typeof(T).Name}.");
    }

    private static object Normalize(string name, object value) => value switch
    {
        int number => (long)number,
        long or float or string or TensorData => value,
        ImmutableArray<long> or ImmutableArray<float> or ImmutableArray<string> => value,
        long[] numbers => ImmutableArray.Create(numbers),
        int[] numbers => numbers.Select(number => (long)number).ToImmutableArray(),
        float[] numbers => ImmutableArray.Create(numbers),
        string[] texts => ImmutableArray.Create(texts),
        _ => throw new ArgumentException(
            $"Attribute '{name}' cannot have a value of type {value?.GetType().Name ?? "null"}."),
    };

    private static bool ValueEquals(object a, object b) => (a, b) switch
    {
        (ImmutableArray<long> x, ImmutableArray<long> y) => x.AsSpan().SequenceEqual(y.AsSpan()),
        (ImmutableArray<float> x, ImmutableArray<float> y) => x.AsSpan().SequenceEqual(y.AsSpan()),
        (ImmutableArray<string> x, ImmutableArray<string> y) => x.AsSpan().SequenceEqual(y.AsSpan()),
        _ => a.Equals(b),
    };

    private static string Describe(object value) => value switch
    {
        ImmutableArray<long> list => $"[{string.Join(", ", list)}]",
        ImmutableArray<float> list =>
            $"[{string.Join(", ", list.Select(item => item.ToString(CultureInfo.InvariantCulture)))}]",
        ImmutableArray<string> list => $"[{string.Join(", ", list)}]",
        IFormattable formattable => formattable.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString() ?? "",
    };
}
