using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Files;

/// <summary>Writes the elements of tensors to checkpoints, and reads them for tensors of the same shape and type.</summary>
internal static class TensorRecords
{
    /// <summary>Writes a tensor's elements.</summary>
    public static void WriteTensor(this BinaryWriter writer, torch.Tensor tensor)
    {
        var data = TensorData.FromTorch(tensor);
        writer.Write(data.Bytes.Length);
        writer.Write(data.Bytes);
    }

    /// <summary>Reads the elements of a tensor.</summary>
    /// <param name="reader">Where they are.</param>
    /// <param name="like">A tensor of their shape and type.</param>
    /// <returns>The elements; <see cref="TensorData.ToTorch"/> makes a tensor of them.</returns>
    /// <exception cref="InvalidDataException">There is another number of bytes.</exception>
    public static TensorData ReadTensor(this BinaryReader reader, torch.Tensor like)
    {
        var length = reader.ReadInt32();
        if (length != like.numel() * like.ElementSize)
        {
            throw new InvalidDataException(
                $"A tensor of {TensorShape.Describe(like.shape)} does not have {length} bytes.");
        }
        var bytes = new byte[length];
        reader.BaseStream.ReadExactly(bytes);
        return new TensorData(ElementTypes.FromTorch(like.dtype), like.shape, bytes);
    }

    /// <summary>Writes the parameters of a network that training may change.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="network">The network.</param>
    /// <param name="names">The names of those to write, in their order; constants are left out.</param>
    public static void WriteParameters(this BinaryWriter writer, Network network, IEnumerable<string> names)
    {
        foreach (var name in Trained(network, names))
            writer.WriteTensor(network.Parameters[name]);
    }

    /// <summary>Reads what <see cref="WriteParameters"/> has written for a network of the same graph.</summary>
    /// <returns>Copies the values into a network.</returns>
    /// <exception cref="InvalidDataException">They are those of another graph.</exception>
    public static Action<Network> ReadParameters(this BinaryReader reader, Network like, IEnumerable<string> names)
    {
        var values = Trained(like, names)
            .ToDictionary(name => name, name => reader.ReadTensor(like.Parameters[name]), StringComparer.Ordinal);
        return network =>
        {
            using var noGradients = torch.no_grad();
            foreach (var (name, value) in values)
                network.Parameters[name].Take(value);
        };
    }

    /// <summary>Copies values into a tensor.</summary>
    public static void Take(this torch.Tensor tensor, TensorData values)
    {
        using var noGradients = torch.no_grad();
        using var host = values.ToTorch();
        tensor.copy_(host);
    }

    private static IEnumerable<string> Trained(Network network, IEnumerable<string> names)
    {
        var wanted = names.ToHashSet(StringComparer.Ordinal);
        return network.Graph.Parameters
            .Where(parameter => parameter.Role != ParameterRole.Constant && wanted.Contains(parameter.Name))
            .Select(parameter => parameter.Name);
    }
}
