using System.Buffers.Binary;
using System.Collections;
using System.Globalization;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Files;

/// <summary>
/// Identifies a job by a hash of all that its result depends on, so that it goes on only from what it left itself.
/// </summary>
internal sealed class JobHash : IDisposable
{
    /// <summary>The elements of a tensor that are copied together.</summary>
    private const long PieceLength = 1 << 22;

    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    /// <summary>
    /// Begins with the job's kind, the builds of this library and of TorchSharp, and the number of Torch's threads.
    /// </summary>
    public JobHash(string kind)
    {
        Add(kind);
        foreach (var type in new[] { typeof(JobHash), typeof(torch) })
            Add(type.Module.ModuleVersionId.ToString());
        Add(torch.get_num_threads());
    }

    /// <summary>Adds values, options, tensors and networks, in their order.</summary>
    /// <exception cref="NotSupportedException">A value has a type that is not known here.</exception>
    public JobHash Add(params ReadOnlySpan<object?> values)
    {
        foreach (var value in values)
            AddValue(value);
        return this;
    }

    /// <summary>The hash.</summary>
    public byte[] ToArray() => _hash.GetCurrentHash();

    public void Dispose() => _hash.Dispose();

    private void AddValue(object? value)
    {
        switch (value)
        {
            case null:
                Text("null");
                break;
            case string text:
                Text(text);
                break;
            case Network network:
                AddNetwork(network);
                break;
            case torch.Tensor tensor:
                AddTensor(tensor);
                break;
            case TensorData data:
                Text(data.ToString());
                Bytes(data.Bytes);
                break;
            case bool or Enum or IFormattable:
                Text(Convert.ToString(value, CultureInfo.InvariantCulture)!);
                break;
            case IEnumerable list:
                foreach (var item in list)
                    AddValue(item);
                Text("end");
                break;
            default:
                AddOptions(value);
                break;
        }
    }

    /// <summary>Adds all options but those that do not matter to the result.</summary>
    private void AddOptions(object options)
    {
        var type = options.GetType();
        if (type.Assembly != typeof(JobHash).Assembly)
            throw new NotSupportedException($"A job cannot depend on a {type}.");
        Text(type.FullName!);
        foreach (var property in type.GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .Where(property => property.Name != CheckpointStore.OptionName && !IsReceiver(property.PropertyType))
            .OrderBy(property => property.Name, StringComparer.Ordinal))
        {
            Text(property.Name);
            AddValue(property.GetValue(options));
        }
    }

    /// <summary>Whether something is only told of the work.</summary>
    private static bool IsReceiver(Type type) => type.IsAssignableTo(typeof(Delegate))
        || (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IProgress<>));

    private void AddNetwork(Network network)
    {
        var graph = network.Graph;
        Text(network.Device.type.ToString());
        Add(graph.Inputs.Select(input => input.ToString()), graph.Outputs.Select(output => output.ToString()));
        foreach (var parameter in graph.Parameters)
            Add(parameter.ToString(), network.Parameters[parameter.Name]);
        foreach (var node in graph.Nodes)
        {
            Add(node.Name, node.Operator.Type, node.Inputs, node.Outputs);
            foreach (var (name, value) in node.Operator.Attributes)
                Add(name, value);
        }
    }

    private void AddTensor(torch.Tensor tensor)
    {
        using var scope = torch.NewDisposeScope();
        Text($"{tensor.dtype}{TensorShape.Describe(tensor.shape)}");
        var flat = tensor.detach().reshape(-1);
        for (long start = 0; start < flat.numel(); start += PieceLength)
        {
            using var pieceScope = torch.NewDisposeScope();
            Bytes(flat.narrow(0, start, Math.Min(PieceLength, flat.numel() - start)).cpu().contiguous().bytes);
        }
    }

    private void Text(string text) => Bytes(Encoding.UTF8.GetBytes(text));

    private void Bytes(ReadOnlySpan<byte> bytes)
    {
        Span<byte> length = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(length, bytes.Length);
        _hash.AppendData(length);
        _hash.AppendData(bytes);
    }
}
