using System.Diagnostics.CodeAnalysis;
using Microsoft.ML.Hdrq.Networks;

namespace Microsoft.ML.Hdrq.Onnx;

/// <summary>The tensors of a file by name, in the order of definition, and names that nothing in the file has.</summary>
/// <param name="otherNames">All names that the file gives to anything but tensors.</param>
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

    public bool TryGet(string name, [MaybeNullWhen(false)] out TensorData tensor) => _tensors.TryGetValue(name, out tensor);

    /// <summary>Whether the file holds the tensor as a Constant node and not as an initializer.</summary>
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

    /// <summary>Gives a tensor another value, which is a weight from then on.</summary>
    public void Replace(string name, TensorData data)
    {
        _tensors[name] = data;
        _constants.Remove(name);
    }

    /// <summary>Adds a constant that the file does not have and gives its name.</summary>
    public string Add(string stem, TensorData data)
    {
        var name = FreshName(stem);
        Define(name, data, isConstant: true);
        return name;
    }

    /// <summary>A name that nothing has yet; from then on it is taken.</summary>
    public string FreshName(string stem) => _taken.Fresh(stem);
}
