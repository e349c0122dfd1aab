using TorchSharp;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>A sum of products over named indices.</summary>
internal sealed class Einsum : Operator
{
    private readonly string _equation;

    public Einsum(string type, OperatorAttributes attributes) : base(type, attributes)
    {
        _equation = attributes.Text("equation", "");
        if (_equation.Length == 0
            || _equation.Any(letter => !char.IsAsciiLetter(letter) && letter is not (',' or '-' or '>' or ' ')))
        {
            throw new InvalidDataException(
                $"Attribute 'equation' is '{_equation}'; only letters, commas and an arrow are supported.");
        }
    }

    internal override torch.Tensor[] Compute(IReadOnlyList<torch.Tensor?> inputs, ComputeContext context)
    {
        var tensors = HostValues.SameDevice(inputs);
        CheckOutput(tensors, context);
        return [torch.einsum(_equation, tensors).alias()];
    }

    private void CheckOutput(torch.Tensor[] tensors, ComputeContext context)
    {
        var sizes = new Dictionary<char, long>();
        var terms = _equation.Replace(" ", "", StringComparison.Ordinal).Split("->");
        // Without an arrow the result has the letters that occur once.
        var output = terms.Length == 2
            ? terms[1]
            : string.Concat(terms[0].Where(letter => letter != ',' && terms[0].Count(other => other == letter) == 1));
        var factors = terms[0].Split(',');
        foreach (var (term, tensor) in factors.Zip(tensors))
        {
            foreach (var (letter, size) in term.Zip(tensor.shape))
                sizes[letter] = Math.Max(size, sizes.GetValueOrDefault(letter));
        }
        var type = tensors[0].dtype;
        context.CheckSize(Shape(output), type);
        // Factors are multiplied one after the other; what is not summed up yet stays.
        for (var i = 1; i + 1 < factors.Length; i++)
        {
            var later = output + string.Concat(factors[(i + 1)..]);
            context.CheckSize(Shape(string.Concat(factors[..(i + 1)]).Where(later.Contains).Distinct()), type);
        }

        long[] Shape(IEnumerable<char> letters) =>
            [.. letters.Select(letter => sizes.GetValueOrDefault(letter, 1))];
    }
}
