using System.Diagnostics.CodeAnalysis;
using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Onnx;

/// <summary>
/// The tensors of a file by name, in the order of definition. It also makes names that are not in use.
/// </summary>
/// <param name="otherNames">All names in the file that are not names of tensors.</param>
internal sealed class OnnxTensorPool(IEnumerable<string> otherNames)
{
    private readonly Dictionary<string, TensorData> _tensors = new(StringComparer.Ordinal);
    private readonly List<string> _names = [];
    private readonly HashSet<string> _constants = new(StringComparer.Ordinal);
    private readonly UniqueNames _taken = new(otherNames);

    /// <summary>The tensors' names in the order of definition.</summary>
    public IReadOnlyList<string> Names => _names;

    public TensorData this[string name] => _tensors[name];

    public bool Contains(string name) => _tensors.ContainsKey(name);

    public bool TryGet(string name, [MaybeNullWhen(false)] out TensorData tensor) =>
        _tensors.TryGetValue(name, out tensor);

    /// <summary>Whether the file stores the tensor as a Constant node instead of an initializer.</summary>
    public bool IsConstant(string name) => _constants.Contains(name);

    /// <exception cref="InvalidDataException">The name is empty or defined already.</exception>
    public void Define(string name, TensorData data, bool isConstant = false)
    {
        if (name.Length == 0)
            throw new InvalidDataException("A tensor of the graph has no name.");
        if (!_tensors.TryAdd(name, data))
            throw new InvalidDataException($"Tensor '{name}' is defined twice.");
        _names.Add(name);
        _taken.Take(name);
        if (isConstant)
            _constants.Add(name);
    }

    /// <summary>Replaces a tensor by another one, which counts as a weight from then on.</summary>
    public void Replace(string name, TensorData data)
    {
        _tensors[name] = data;
        _constants.Remove(name);
    }

    /// <summary>Replaces all tensors by what a function makes of them; they stay constants or initializers.</summary>
    public void ConvertAll(Func<TensorData, TensorData> convert)
    {
        foreach (var name in _names)
            _tensors[name] = convert(_tensors[name]);
    }

    /// <summary>Adds a constant that the file does not have and returns its name.</summary>
    public string Add(string stem, TensorData data)
    {
        var name = FreshName(stem);
        Define(name, data, isConstant: true);
        return name;
    }

    /// <summary>Reserves and returns a name that is not in use.</summary>
    public string FreshName(string stem) => _taken.Fresh(stem);
}
