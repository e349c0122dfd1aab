using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks;

/// <summary>
/// Computes a hash of a network's parameters that stays the same when the network is saved and read again.
/// </summary>
internal static class ParameterHash
{
    /// <summary>
    /// SHA-256 of all parameters except constants, in the order of their names. Each parameter contributes the length
    /// of its name, its name in UTF-8, its type, the number of dimensions, their sizes, and its elements. Lengths,
    /// types and sizes are 64-bit integers; everything is little-endian. Quantized weights contribute their values on
    /// the grid, because a file has only these; negative zeros count as positive ones. The topology and constants do
    /// not count, because files may express the same ones in different ways.
    /// </summary>
    public static string Of(INetworkContent network)
    {
        using var noGradients = torch.no_grad();
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var quantizers = network.Graph.Layers.Quantizers
            .Where(quantizer => quantizer.IsWeight)
            .ToLookup(quantizer => quantizer.Value, StringComparer.Ordinal);
        foreach (var definition in network.Graph.Parameters
            .Where(definition => definition.Role != ParameterRole.Constant)
            .OrderBy(definition => definition.Name, StringComparer.Ordinal))
        {
            using var scope = torch.NewDisposeScope();
            var name = Encoding.UTF8.GetBytes(definition.Name);
            Number(name.Length);
            hash.AppendData(name);
            Number((long)definition.ElementType);
            Number(definition.Shape.Length);
            foreach (var size in definition.Shape)
                Number(size);
            var tensor = network.Parameters[definition.Name].detach();
            if (quantizers[definition.Name].FirstOrDefault() is { } quantizer)
            {
                var context = new ComputeContext(ForwardMode.Inference, network.Device);
                context.Limit(network.MaxValueSize);
                tensor = quantizer.Operator.Compute(
                    [tensor, network.Parameters[quantizer.Scale]], context)[0];
            }
            hash.AppendData(TensorData.FromTorch(
                tensor.is_floating_point() ? tensor.add(Scalars.Keep(0.0), Scalars.One) : tensor,
                definition.ElementType).Bytes);
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());

        void Number(long value)
        {
            Span<byte> bytes = stackalloc byte[sizeof(long)];
            BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
            hash.AppendData(bytes);
        }
    }
}
