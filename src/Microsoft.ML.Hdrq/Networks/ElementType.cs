namespace Microsoft.ML.Hdrq.Networks;

/// <summary>The type of one element of a tensor. The values are those of ONNX's <c>TensorProto.DataType</c>.</summary>
public enum ElementType
{
    /// <summary>IEEE 754 single precision.</summary>
    Float32 = 1,

    /// <summary>Unsigned 8-bit integer.</summary>
    UInt8 = 2,

    /// <summary>Signed 8-bit integer.</summary>
    Int8 = 3,

    /// <summary>Signed 16-bit integer.</summary>
    Int16 = 5,

    /// <summary>Signed 32-bit integer.</summary>
    Int32 = 6,

    /// <summary>Signed 64-bit integer.</summary>
    Int64 = 7,

    /// <summary>Boolean, one byte per element.</summary>
    Bool = 9,

    /// <summary>IEEE 754 half precision.</summary>
    Float16 = 10,

    /// <summary>IEEE 754 double precision.</summary>
    Float64 = 11,

    /// <summary>Unsigned 4-bit integer, two to a byte in files, one to a byte (unsigned 8-bit) in memory.</summary>
    UInt4 = 21,

    /// <summary>Signed 4-bit integer, two to a byte in files, one to a byte (signed 8-bit) in memory.</summary>
    Int4 = 22,
}
