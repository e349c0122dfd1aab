using System.Globalization;
using System.Runtime.InteropServices;
using Google.Protobuf;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx.Protobuf;

namespace Microsoft.ML.Hdrq.Onnx;

/// <summary>
/// Converts tensors of ONNX files to <see cref="TensorData"/> and back. Every size that a file claims is checked
/// against the data that is really there before memory is allocated for it.
/// </summary>
internal static class OnnxTensors
{
    /// <summary>The largest rank that Torch can iterate over.</summary>
    public const int MaxRank = 64;

    public static TensorData Read(TensorProto proto, ExternalDataDirectory? external)
    {
        var name = $"Tensor '{proto.Name}'";
        var type = ReadElementType(proto.DataType, name);
        if (proto.Dims.Count > MaxRank)
            throw new InvalidDataException($"{name} has {proto.Dims.Count} dimensions; {MaxRank} are supported.");
        var shape = proto.Dims.ToArray();
        if (TensorShape.ElementCount(shape) is not { } count || count > Array.MaxLength / type.SizeInMemory())
        {
            throw new InvalidDataException(
                $"{name} has shape {TensorShape.Describe(shape)}, which is negative or too large.");
        }
        var sizeInFile = (count * type.BitsInFile() + 7) / 8;
        if (proto.DataLocation == TensorProto.Types.DataLocation.External)
        {
            if (external is null)
            {
                throw new InvalidDataException(
                    $"{name} is in an external file, "
                    + "and the model was not read from a file or given a directory for external data.");
            }
            return FromRaw(type, shape, count, external.Read(proto, sizeInFile));
        }
        if (proto.HasRawData)
        {
            return proto.RawData.Length == sizeInFile
                ? FromRaw(type, shape, count, proto.RawData)
                : throw Mismatch(proto.RawData.Length, "bytes", sizeInFile);
        }
        return type switch
        {
            ElementType.Float32 => Typed(proto.FloatData, count),
            ElementType.Float64 => Typed(proto.DoubleData, count),
            ElementType.Int64 => Typed(proto.Int64Data, count),
            ElementType.Int32 => Typed(proto.Int32Data, count),
            // These types have no field of their own: each element is in the low bits of a 32-bit integer.
            ElementType.Int16 or ElementType.Float16 => Narrow(2, count),
            ElementType.Int8 or ElementType.UInt8 or ElementType.Bool => Narrow(1, count),
            _ => Narrow(1, (count + 1) / 2),
        };

        TensorData Typed<T>(IReadOnlyCollection<T> values, long expected) where T : unmanaged =>
            values.Count == expected
                ? TensorData.Of<T>(values.ToArray(), shape)
                : throw Mismatch(values.Count, "values", expected);

        TensorData Narrow(int bytes, long expected)
        {
            if (proto.Int32Data.Count != expected)
                throw Mismatch(proto.Int32Data.Count, "values", expected);
            var raw = new byte[expected * bytes];
            for (var i = 0; i < expected; i++)
            {
                raw[i * bytes] = (byte)proto.Int32Data[i];
                if (bytes == 2)
                    raw[i * bytes + 1] = (byte)(proto.Int32Data[i] >> 8);
            }
            return FromRaw(type, shape, count, raw);
        }

        InvalidDataException Mismatch(long actual, string what, long expected) =>
            new($"{name} has {actual} {what} of data; "
                + $"its shape {TensorShape.Describe(shape)} and type {type} need {expected}.");
    }

    public static TensorProto Write(string name, TensorData data)
    {
        var proto = new TensorProto
        {
            Name = name,
            DataType = (int)data.ElementType,
            RawData = UnsafeByteOperations.UnsafeWrap(ToRaw(data)),
        };
        proto.Dims.AddRange(data.Shape.ToArray());
        return proto;
    }

    public static ElementType ReadElementType(int dataType, string what) => Enum.IsDefined((ElementType)dataType)
        ? (ElementType)dataType
        : throw new InvalidDataException(
            $"{what} has element type {Name(dataType)}, which is unknown or not supported.");

    /// <summary>The name of a type that ONNX has and this library has not.</summary>
    private static string Name(int dataType)
    {
        var number = dataType.ToString(CultureInfo.InvariantCulture);
        return dataType switch
        {
            4 => $"uint16 ({number})",
            8 => $"string ({number})",
            12 => $"uint32 ({number})",
            13 => $"uint64 ({number})",
            14 or 15 => $"complex ({number})",
            16 => $"bfloat16 ({number})",
            >= 17 and <= 20 => $"float8 ({number})",
            23 => $"float4 ({number})",
            _ => number,
        };
    }

    /// <summary>The elements as a file stores them: two 4-bit integers per byte, the first in the low half.</summary>
    public static ReadOnlyMemory<byte> ToRaw(TensorData data)
    {
        if (data.ElementType.BitsInFile() != 4)
            return data.Memory;
        var packed = new byte[(data.Bytes.Length + 1) / 2];
        for (var i = 0; i < data.Bytes.Length; i++)
            packed[i / 2] |= (byte)((data.Bytes[i] & 0xF) << (i % 2 * 4));
        return packed;
    }

    /// <summary>Takes over the bytes where they are as they will be: neither is ever changed.</summary>
    private static TensorData FromRaw(ElementType type, long[] shape, long count, ByteString raw) =>
        BitConverter.IsLittleEndian && type.BitsInFile() != 4 && type != ElementType.Bool
        && MemoryMarshal.TryGetArray(raw.Memory, out var bytes)
        && bytes is { Offset: 0, Array: { } array } && array.Length == bytes.Count
            ? new TensorData(type, shape, array)
            : FromRaw(type, shape, count, raw.Span);

    private static TensorData FromRaw(ElementType type, long[] shape, long count, ReadOnlySpan<byte> raw)
    {
        var bytes = new byte[count * type.SizeInMemory()];
        if (type.BitsInFile() == 4)
        {
            for (var i = 0; i < bytes.Length; i++)
            {
                var nibble = raw[i / 2] >> (i % 2 * 4) & 0xF;
                bytes[i] = (byte)(type == ElementType.Int4 ? (sbyte)(nibble << 4) >> 4 : nibble);
            }
        }
        else
        {
            raw.CopyTo(bytes);
        }
        // Torch does not normalize other bytes to a valid boolean.
        if (type == ElementType.Bool)
        {
            foreach (ref var value in bytes.AsSpan())
                value = value == 0 ? (byte)0 : (byte)1;
        }
        if (!BitConverter.IsLittleEndian)
            throw new PlatformNotSupportedException("ONNX data is little-endian; this machine is not.");
        return new TensorData(type, shape, bytes);
    }
}
