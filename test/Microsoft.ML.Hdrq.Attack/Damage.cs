using System.Collections;
using Google.Protobuf;
using Google.Protobuf.Collections;
using Google.Protobuf.Reflection;

namespace Microsoft.ML.Hdrq.Attack;

/// <summary>Damages files, the same for the same random numbers.</summary>
internal static class Damage
{
    private static readonly long[] s_numbers =
    [
        0, 1, -1, 2, 3, 7, 16, 64, 255, 256, 20_000, 65_536, 1 << 24, int.MaxValue, int.MinValue, 1L << 31, 1L << 32,
        1L << 40, long.MaxValue, long.MinValue,
    ];

    /// <summary>Damages the encoding: bits, bytes, pieces that are missing or there twice, or the end.</summary>
    public static byte[] Bytes(byte[] file, Random random)
    {
        var damaged = file.ToList();
        for (var changes = random.Next(1, 5); changes > 0 && damaged.Count > 0; changes--)
        {
            var at = random.Next(damaged.Count);
            switch (random.Next(20))
            {
                case < 6:
                    damaged[at] ^= (byte)(1 << random.Next(8));
                    break;
                case < 11:
                    damaged[at] = (byte)random.Next(256);
                    break;
                case < 15:
                    damaged.RemoveRange(at, Math.Min(random.Next(1, 8), damaged.Count - at));
                    break;
                case < 19:
                    damaged.InsertRange(at, damaged.GetRange(at, Math.Min(random.Next(1, 40), damaged.Count - at)));
                    break;
                default:
                    damaged.RemoveRange(at, damaged.Count - at);
                    break;
            }
        }
        return [.. damaged];
    }

    /// <summary>
    /// Damages what a file says and not its encoding, so that more of it reaches what comes behind the parser: fields of
    /// messages anywhere in it get other numbers, names, bytes, or are there twice, elsewhere or no more.
    /// </summary>
    public static void Message(IMessage message, Random random)
    {
        for (var changes = random.Next(1, 4); changes > 0; changes--)
        {
            var (names, fields) = (new List<string>(), new List<(IMessage Message, FieldDescriptor Field)>());
            Collect(message, names, fields);
            if (fields.Count == 0)
                return;
            var (owner, field) = fields[random.Next(fields.Count)];
            if (field.IsRepeated)
                DamageList((IList)field.Accessor.GetValue(owner), field, names, random);
            else if (field.FieldType == FieldType.Message)
                field.Accessor.Clear(owner);
            else
                field.Accessor.SetValue(owner, Other(field, field.Accessor.GetValue(owner), names, random));
        }
    }

    private static void Collect(
        IMessage message, List<string> names, List<(IMessage Message, FieldDescriptor Field)> fields)
    {
        foreach (var field in message.Descriptor.Fields.InDeclarationOrder())
        {
            var value = field.Accessor.GetValue(message);
            if (field.IsRepeated ? ((IList)value).Count == 0 : value is null || IsAbsent(message, field))
                continue;
            fields.Add((message, field));
            foreach (var item in field.IsRepeated ? (IEnumerable)value : new[] { value })
            {
                if (item is IMessage inner)
                    Collect(inner, names, fields);
                else if (item is string name)
                    names.Add(name);
            }
        }
    }

    private static bool IsAbsent(IMessage message, FieldDescriptor field) =>
        field.HasPresence && !field.Accessor.HasValue(message);

    private static void DamageList(IList list, FieldDescriptor field, List<string> names, Random random)
    {
        var at = random.Next(list.Count);
        switch (random.Next(6))
        {
            case 0:
                list.RemoveAt(at);
                break;
            case 1:
                list.Add(list[at]);
                break;
            case 2:
                (list[0], list[at]) = (list[at], list[0]);
                break;
            case 3 when field.FieldType != FieldType.Message && list is RepeatedField<long>:
                list.Clear();
                break;
            default:
                if (list[at] is IMessage inner)
                    Message(inner, random);
                else
                    list[at] = Other(field, list[at]!, names, random);
                break;
        }
    }

    private static object Other(FieldDescriptor field, object value, List<string> names, Random random)
    {
        var number = s_numbers[random.Next(s_numbers.Length)];
        return value switch
        {
            string text => random.Next(4) switch
            {
                0 => "",
                1 => OtherText(text, random),
                _ => names[random.Next(names.Count)],
            },
            ByteString bytes => ByteString.CopyFrom(
                bytes.Length == 0 ? [0, 0, 0, 0] : Bytes(bytes.ToByteArray(), random)),
            long => number,
            int => unchecked((int)number),
            ulong => unchecked((ulong)number),
            uint => unchecked((uint)number),
            float => random.Next(4) switch { 0 => float.NaN, 1 => float.PositiveInfinity, 2 => 1e38f, _ => -number },
            double => random.Next(3) switch { 0 => double.NaN, 1 => double.NegativeInfinity, _ => number },
            bool flag => !flag,
            Enum => Enum.ToObject(value.GetType(), random.Next(30)),
            _ => throw new NotSupportedException($"Fields of {field.FieldType} are not damaged."),
        };
    }

    /// <summary>Another text of nearly the same letters, such as base64 with a wrong one, or a shorter one.</summary>
    private static string OtherText(string text, Random random)
    {
        var letters = text.ToCharArray();
        if (letters.Length == 0)
            return "x";
        if (random.Next(3) == 0)
            return text[..random.Next(text.Length)];
        const string Letters = "0123456789-+.,:;/=xyzABC{}[]\"NaN\0";
        for (var changes = random.Next(1, 4); changes > 0; changes--)
            letters[random.Next(letters.Length)] = Letters[random.Next(Letters.Length)];
        return new string(letters);
    }
}
