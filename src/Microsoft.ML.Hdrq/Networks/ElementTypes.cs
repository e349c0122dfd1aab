using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks;

/// <summary>The Torch type and the size of each <see cref="ElementType"/>.</summary>
internal static class ElementTypes
{
    /// <summary>Bytes of one element in memory.</summary>
    public static int SizeInMemory(this ElementType type) => type switch
    {
        ElementType.Float32 or ElementType.Int32 => 4,
        ElementType.Int64 or ElementType.Float64 => 8,
        ElementType.Float16 or ElementType.Int16 => 2,
        ElementType.UInt8 or ElementType.Int8 or ElementType.Bool or ElementType.UInt4 or ElementType.Int4 => 1,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Unknown element type."),
    };

    /// <summary>Bits of one element in a file.</summary>
    public static int BitsInFile(this ElementType type) =>
        type is ElementType.UInt4 or ElementType.Int4 ? 4 : 8 * type.SizeInMemory();

    public static bool IsFloat(this ElementType type) =>
        type is ElementType.Float32 or ElementType.Float16 or ElementType.Float64;

    public static torch.ScalarType ToTorch(this ElementType type) => type switch
    {
        ElementType.Float32 => torch.ScalarType.Float32,
        ElementType.Float16 => torch.ScalarType.Float16,
        ElementType.Float64 => torch.ScalarType.Float64,
        ElementType.Int64 => torch.ScalarType.Int64,
        ElementType.Int32 => torch.ScalarType.Int32,
        ElementType.Int16 => torch.ScalarType.Int16,
        ElementType.Int8 or ElementType.Int4 => torch.ScalarType.Int8,
        ElementType.UInt8 or ElementType.UInt4 => torch.ScalarType.Byte,
        ElementType.Bool => torch.ScalarType.Bool,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Unknown element type."),
    };

    public static ElementType FromTorch(torch.ScalarType type) => type switch
    {
        torch.ScalarType.Float32 => ElementType.Float32,
        torch.ScalarType.Float16 => ElementType.Float16,
        torch.ScalarType.Float64 => ElementType.Float64,
        torch.ScalarType.Int64 => ElementType.Int64,
        torch.ScalarType.Int32 => ElementType.Int32,
        torch.ScalarType.Int16 => ElementType.Int16,
        torch.ScalarType.Int8 => ElementType.Int8,
        torch.ScalarType.Byte => ElementType.UInt8,
        torch.ScalarType.Bool => ElementType.Bool,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "A network cannot hold a tensor of this type."),
    };
}
