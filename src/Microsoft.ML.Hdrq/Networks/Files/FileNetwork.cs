using System.Collections;
using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Files;

/// <summary>
/// A network whose parameters are in a file, from which each is read whenever it is asked for: so many networks can be
/// looked at together, one parameter after another.
/// </summary>
internal sealed class FileNetwork : INetworkContent, IDisposable
{
    private readonly FileStream _file;

    /// <summary>Writes a network's parameters to a new file.</summary>
    /// <param name="network">The network; it is not needed after this.</param>
    /// <param name="path">The file, which stays when this object is disposed.</param>
    /// <exception cref="IOException">The file is there, or cannot be written.</exception>
    public FileNetwork(Network network, string path)
    {
        (Graph, Metadata, ClassNames, MaxValueSize) =
            (network.Graph, network.Metadata, network.ClassNames, network.MaxValueSize);
        // Whole tensors are written and read at once, so that a buffer would only copy them.
        _file = new FileStream(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
        try
        {
            using var use = network.Use();
            var places = new Dictionary<string, (ParameterDefinition, long)>(StringComparer.Ordinal);
            foreach (var definition in Graph.Parameters)
            {
                using var scope = torch.NewDisposeScope();
                places.Add(definition.Name, (definition, _file.Position));
                var tensor = network.Parameters[definition.Name].detach().cpu().contiguous();
                if (tensor.numel() > 0)
                    _file.Write(tensor.bytes);
            }
            Parameters = new StoredParameters(_file, places);
        }
        catch
        {
            _file.Dispose();
            throw;
        }
    }

    public Graph Graph { get; }

    public torch.Device Device => torch.CPU;

    public IReadOnlyDictionary<string, torch.Tensor> Parameters { get; }

    public ImmutableSortedDictionary<string, string> Metadata { get; }

    public IReadOnlyList<string>? ClassNames { get; }

    public long MaxValueSize { get; }

    public void Dispose() => _file.Dispose();

    private sealed class StoredParameters(
        FileStream file, Dictionary<string, (ParameterDefinition Definition, long Offset)> places)
        : IReadOnlyDictionary<string, torch.Tensor>
    {
        public int Count => places.Count;

        public IEnumerable<string> Keys => places.Keys;

        public IEnumerable<torch.Tensor> Values => places.Keys.Select(name => this[name]);

        public torch.Tensor this[string key]
        {
            get
            {
                var (definition, offset) = places[key];
                var tensor = torch.empty(definition.Shape.ToArray(), definition.ElementType.ToTorch());
                var left = tensor.numel() > 0 ? tensor.bytes : [];
                for (int read; !left.IsEmpty; left = left[read..], offset += read)
                {
                    read = RandomAccess.Read(file.SafeFileHandle, left, offset);
                    if (read == 0)
                        throw new EndOfStreamException($"'{file.Name}' has become shorter.");
                }
                return tensor;
            }
        }

        public bool ContainsKey(string key) => places.ContainsKey(key);

        public bool TryGetValue(string key, [MaybeNullWhen(false)] out torch.Tensor value)
        {
            value = places.ContainsKey(key) ? this[key] : null;
            return value is not null;
        }

        public IEnumerator<KeyValuePair<string, torch.Tensor>> GetEnumerator() =>
            Keys.Select(name => KeyValuePair.Create(name, this[name])).GetEnumerator();

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
    }
}
