using System.Runtime.InteropServices;
using Google.Protobuf;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Onnx.Protobuf;
using Microsoft.ML.Hdrq.Tests.Networks.Operators;
using static Microsoft.ML.Hdrq.Tests.Onnx.OnnxModels;

namespace Microsoft.ML.Hdrq.Tests.Onnx;

/// <summary>The authority on what a tensor in a file holds is ONNX Runtime, which reads the same bytes.</summary>
[TestClass]
public class TensorDecodingTests
{
    private static IEnumerable<object[]> Types => from type in Enum.GetValues<ElementType>()
                                                  from count in new[] { 0, 1, 7, 12 }
                                                  from isRaw in new[] { true, false }
                                                  select new object[] { type, count, isRaw };

    [TestMethod]
    [DynamicData(nameof(Types))]
    public void ReadsWhatOnnxRuntimeReads(ElementType type, int count, bool isRaw)
    {
        var tensor = Tensor(type, [count], isRaw);
        var read = OnnxTensors.Read(tensor, null);
        Assert.AreEqual(RunThroughOnnxRuntime(tensor), read);
    }

    [TestMethod]
    [DataRow(ElementType.Float32, true)]
    [DataRow(ElementType.Float32, false)]
    [DataRow(ElementType.Int64, false)]
    [DataRow(ElementType.Float16, false)]
    [DataRow(ElementType.Int4, true)]
    public void ReadsScalars(ElementType type, bool isRaw)
    {
        var tensor = Tensor(type, [], isRaw);
        var read = OnnxTensors.Read(tensor, null);
        Assert.AreEqual(0, read.Shape.Length);
        Assert.AreEqual(RunThroughOnnxRuntime(tensor), read);
    }

    [TestMethod]
    [DynamicData(nameof(Types))]
    public void WritesWhatItRead(ElementType type, int count, bool isRaw)
    {
        var read = OnnxTensors.Read(Tensor(type, [count, 1], isRaw), null);
        var written = OnnxTensors.Write("t", read);
        Assert.AreEqual(read, OnnxTensors.Read(written, null));
        Assert.AreEqual(RunThroughOnnxRuntime(written), read);
        using var torch = read.ToTorch();
        Assert.AreEqual(read, TensorData.FromTorch(torch, type));
    }

    [TestMethod]
    public void UnpacksNibblesFromTheLowHalfWithSign()
    {
        var tensor = new TensorProto
        {
            Name = "t",
            DataType = (int)ElementType.Int4,
            Dims = { 3 },
            RawData = ByteString.CopyFrom(0x8F, 0x07)
        };
        CollectionAssert.AreEqual(new sbyte[] { -1, -8, 7 },
            MemoryMarshal.Cast<byte, sbyte>(OnnxTensors.Read(tensor, null).Bytes).ToArray());
        tensor.DataType = (int)ElementType.UInt4;
        CollectionAssert.AreEqual(new byte[] { 15, 8, 7 }, OnnxTensors.Read(tensor, null).Bytes.ToArray());
    }

    [TestMethod]
    public void AnyByteButZeroIsTrue()
    {
        var tensor = new TensorProto
        {
            Name = "t",
            DataType = (int)ElementType.Bool,
            Dims = { 3 },
            RawData = ByteString.CopyFrom(0, 2, 255)
        };
        CollectionAssert.AreEqual(new byte[] { 0, 1, 1 }, OnnxTensors.Read(tensor, null).Bytes.ToArray());
    }

    [TestMethod]
    [DynamicData(nameof(Types))]
    public void RefusesDataThatDoesNotMatchTheShape(ElementType type, int count, bool isRaw)
    {
        var tensor = Tensor(type, [count], isRaw);
        tensor.Dims[0] = count + 2;
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => OnnxTensors.Read(tensor, null)).Message,
            "'t'");
    }

    [TestMethod]
    [DataRow(new[] { -1L })]
    [DataRow(new[] { long.MinValue, long.MinValue })]
    [DataRow(new[] { 1L << 32, 1L << 32 })]
    [DataRow(new[] { 1L << 31, 1L << 31, 4L })]
    [DataRow(new[] { 0L, 1L << 62, 1L << 62 })]
    [DataRow(new[] { 1L << 40 })]
    [DataRow(new[] { 2147483591L })]
    public void RefusesShapesBeforeTakingMemory(long[] shape)
    {
        var tensor = new TensorProto
        {
            Name = "t",
            DataType = (int)ElementType.Float32,
            Dims = { shape },
            RawData = ByteString.CopyFrom(new byte[16])
        };
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.ThrowsExactly<InvalidDataException>(() => OnnxTensors.Read(tensor, null));
        Assert.IsLessThan(1 << 20, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [TestMethod]
    public void AnEmptyTensorMayBeLongInAnotherDimension()
    {
        var tensor = new TensorProto { Name = "t", DataType = (int)ElementType.Float32, Dims = { 0, 1L << 40 } };
        using var read = OnnxTensors.Read(tensor, null).ToTorch();
        Assert.AreEqual(0, read.numel());
    }

    [TestMethod]
    public void RefusesMoreDimensionsThanTorchHas()
    {
        var tensor = new TensorProto
        {
            Name = "t",
            DataType = (int)ElementType.Float32,
            Dims = { Enumerable.Repeat(1L, 100_000) },
            RawData = ByteString.CopyFrom(new byte[4])
        };
        Assert.IsLessThan(200, Assert.ThrowsExactly<InvalidDataException>(
            () => OnnxTensors.Read(tensor, null)).Message.Length);
    }

    [TestMethod]
    [DataRow(0)]
    [DataRow(4)]
    [DataRow(8)]
    [DataRow(12)]
    [DataRow(14)]
    [DataRow(16)]
    [DataRow(17)]
    [DataRow(23)]
    [DataRow(-1)]
    [DataRow(int.MaxValue)]
    public void RefusesOtherElementTypes(int dataType)
    {
        var tensor = new TensorProto
        {
            Name = "t",
            DataType = dataType,
            Dims = { 1 },
            StringData = { ByteString.CopyFromUtf8("text") }
        };
        var message = Assert.ThrowsExactly<InvalidDataException>(() => OnnxTensors.Read(tensor, null)).Message;
        StringAssert.Contains(message, "'t'");
        StringAssert.Contains(message, dataType.ToString(System.Globalization.CultureInfo.InvariantCulture));
    }

    /// <summary>A tensor of various bit patterns, as raw or as typed data.</summary>
    private static TensorProto Tensor(ElementType type, long[] shape, bool isRaw)
    {
        var count = shape.Aggregate(1L, (product, size) => product * size);
        var bytes = new byte[(count * type.BitsInFile() + 7) / 8];
        new Random(5).NextBytes(bytes);
        // What is left over of the last byte is zero, and booleans are bits.
        if (type.BitsInFile() == 4 && count % 2 == 1)
            bytes[^1] &= 0xF;
        if (type == ElementType.Bool)
            bytes = [.. bytes.Select(value => (byte)(value & 1))];
        var tensor = new TensorProto { Name = "t", DataType = (int)type, Dims = { shape } };
        if (isRaw)
            tensor.RawData = ByteString.CopyFrom(bytes);
        else if (type == ElementType.Float32)
            tensor.FloatData.AddRange(MemoryMarshal.Cast<byte, float>(bytes).ToArray());
        else if (type == ElementType.Float64)
            tensor.DoubleData.AddRange(MemoryMarshal.Cast<byte, double>(bytes).ToArray());
        else if (type == ElementType.Int64)
            tensor.Int64Data.AddRange(MemoryMarshal.Cast<byte, long>(bytes).ToArray());
        else if (type == ElementType.Int32)
            tensor.Int32Data.AddRange(MemoryMarshal.Cast<byte, int>(bytes).ToArray());
        else if (type == ElementType.Int16)
            tensor.Int32Data.AddRange(MemoryMarshal.Cast<byte, short>(bytes).ToArray().Select(value => (int)value));
        else if (type == ElementType.Float16)
            tensor.Int32Data.AddRange(MemoryMarshal.Cast<byte, ushort>(bytes).ToArray().Select(value => (int)value));
        else if (type == ElementType.Int8)
            tensor.Int32Data.AddRange(bytes.Select(value => (int)(sbyte)value));
        else
            tensor.Int32Data.AddRange(bytes.Select(value => (int)value));
        return tensor;
    }

    private static TensorData RunThroughOnnxRuntime(TensorProto tensor)
    {
        // ONNX Runtime passes 4-bit integers on only as 8-bit ones.
        var type = (ElementType)tensor.DataType;
        var passedOn = type switch
        {
            ElementType.Int4 => ElementType.Int8,
            ElementType.UInt4 => ElementType.UInt8,
            _ => type
        };
        var graph = new GraphProto
        {
            Name = "test",
            Input = { Value("x", 1) },
            Output = { Value("y", passedOn, null), Value("z") },
            Initializer = { tensor },
            Node = { type == passedOn ? Node("Identity", "t", "y") : Node("Cast", "t", "y", ("to", (int)passedOn)),
                Node("Identity", "x", "z") },
        };
        var result = OnnxRuntimeReference.Run(ModelOf(21, graph).ToByteArray(), [("x", TensorData.Of([0f], 1))])[0];
        return new TensorData(type, result.Shape, result.Bytes.ToArray());
    }
}
