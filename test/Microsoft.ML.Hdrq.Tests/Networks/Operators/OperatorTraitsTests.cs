using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Networks.Operators;

/// <summary>
/// Asks every operator of the table for every trait, by what it computes in the cases in which it is compared with ONNX
/// Runtime.
/// </summary>
[TestClass]
public sealed class OperatorTraitsTests
{
    private static readonly Dictionary<OperatorTraits, Func<TraitCase, bool>> _checks = new()
    {
        [OperatorTraits.KeepsSign] = run => run.HasFill || Floats(run.WithMagnitudes()).All(IsNotNegative),
        [OperatorTraits.NeverNegative] = run => Floats(run.Outputs).All(IsNotNegative),
        [OperatorTraits.MovesValues] = run => run.HasFill
            || Numbers(run.Outputs[0]).ToHashSet().IsSubsetOf([.. Numbers(run.Inputs[0]!), 0]),
        [OperatorTraits.KeepsElements] = run => Numbers(run.Outputs[0]).SequenceEqual(Numbers(run.Inputs[0]!)),
        [OperatorTraits.Rearranges] = run => Numbers(run.Outputs[0]).Order().SequenceEqual(Numbers(run.Inputs[0]!).Order()),
        [OperatorTraits.PassesOn] = run => run.Outputs[0].shape.SequenceEqual(run.Inputs[0]!.shape)
            && Numbers(run.Outputs[0]).SequenceEqual(Numbers(run.Inputs[0]!)),
        [OperatorTraits.Averages] = run => Numbers(run.Outputs[0]) is var means && Numbers(run.Inputs[0]!) is var data
            && means.Max() <= Math.Max(0, data.Max()) + 1e-6 && means.Min() >= Math.Min(0, data.Min()) - 1e-6,
        [OperatorTraits.Pools] = run => run.Inputs[0]!.dim() > 2
            && run.Outputs[0].shape.Take(2).SequenceEqual(run.Inputs[0]!.shape.Take(2)),
        [OperatorTraits.Joins] = run => run.Inputs.Length == 1 || run.ReadsAllInputs(),
        [OperatorTraits.Adds] = run =>
            run.Outputs[0].allclose(run.Inputs.Aggregate((sum, input) => sum!.add(input!, Scalars.One))!),
        [OperatorTraits.GivesProbabilities] = run => run.Outputs[0].shape.SequenceEqual(run.Inputs[0]!.shape)
            && Numbers(run.Outputs[0]).All(value => value is >= 0 and <= 1),
        [OperatorTraits.RatesClasses] = run => run.Outputs[0].shape.SequenceEqual(run.Inputs[0]!.shape)
            && (Numbers(run.Outputs[0]).All(value => value is >= 0 and <= 1)
                || Numbers(run.Outputs[0]).All(value => value <= 0)),
        [OperatorTraits.IsAffine] = run => run.IsAffine(),
        [OperatorTraits.Normalizes] = run => run.ScalesWithItsWeights(),
        [OperatorTraits.TwiceDifferentiable] = run => run.CanBeDifferentiatedTwice(),
        [OperatorTraits.ReadsShape] = run =>
            run.WithMagnitudes().Zip(run.Outputs).All(pair => pair.First.equal(pair.Second).all().item<bool>()),
        [OperatorTraits.FusedActivation] = run => run.Outputs[0].shape.SequenceEqual(run.Inputs[0]!.shape)
            && run.IsMonotone(),
    };

    /// <summary>
    /// What operators look like in all their cases and do not claim. Signs decide which quantizers are unsigned, and so
    /// which networks can be merged: an operator is given such a trait when there is
    /// a use for it, not in passing.
    /// </summary>
    private static readonly Dictionary<OperatorTraits, string> _unclaimed = new()
    {
        // GlobalMaxPool and PRelu can be negative; their cases' numbers are not.
        [OperatorTraits.NeverNegative] =
            "Acos, Cosh, GlobalMaxPool, PRelu, ReduceL1, ReduceL2, ReduceSumSquare, ThresholdedRelu",
        [OperatorTraits.MovesValues] =
            "CenterCropPad, DepthToSpace, Expand, Gather, GatherElements, GatherND, ReduceMax, ReduceMin, Relu, "
                + "SpaceToDepth, Split, ThresholdedRelu, Tile, Trilu",
        [OperatorTraits.KeepsElements] = "",
    };

    public static IEnumerable<TestDataRow<string>> Traits =>
        Enum.GetNames<OperatorTraits>().Where(name => name != nameof(OperatorTraits.None))
        .Select(name => new TestDataRow<string>(name));

    [TestMethod]
    [DynamicData(nameof(Traits))]
    public void Operators_are_what_they_say(string name)
    {
        var trait = Enum.Parse<OperatorTraits>(name);
        var wrong = new List<string>();
        foreach (var parityCase in CompletenessTests.AllCases())
        {
            using var run = new TraitCase(parityCase);
            if (run.Operator.Traits.HasFlag(trait) && !_checks[trait](run))
                wrong.Add(parityCase.ToString());
        }
        Assert.AreEqual("", string.Join("; ", wrong));
    }

    [TestMethod]
    public void What_operators_look_like_and_do_not_claim_is_known()
    {
        // Of floating-point values only: there are quantizers for no others.
        var cases = CompletenessTests.AllCases()
            .Where(parityCase => parityCase.Inputs[0]?.Data.ElementType == ElementType.Float32)
            .ToLookup(parityCase => parityCase.Type);
        foreach (var (trait, expected) in _unclaimed)
        {
            var unclaimed = cases.Where(
                group => group.All(parityCase => LooksLike(parityCase, trait, negated: false)
                    && LooksLike(parityCase, trait, negated: true)));
            Assert.AreEqual(expected, string.Join(
                ", ", unclaimed.Select(group => group.Key).Order(StringComparer.Ordinal)), trait.ToString());
        }

        static bool LooksLike(ParityCase parityCase, OperatorTraits trait, bool negated)
        {
            using var run = new TraitCase(parityCase, negated);
            return !run.Operator.Traits.HasFlag(trait)
                && run.Outputs.All(output => output.is_floating_point() && output.isfinite().all().item<bool>())
                && _checks[trait](run);
        }
    }

    private static bool IsNotNegative(double value) => double.IsNaN(value) || value >= 0;

    private static IEnumerable<double> Floats(IEnumerable<torch.Tensor> tensors) =>
        tensors.Where(tensor => tensor.is_floating_point()).SelectMany(Numbers);

    private static double[] Numbers(torch.Tensor tensor) =>
        tensor.detach().to(torch.ScalarType.Float64).reshape(-1).data<double>().ToArray();

    /// <summary>A case, computed.</summary>
    private sealed class TraitCase : IDisposable
    {
        private static readonly ComputeContext _context = new(ForwardMode.Inference, torch.CPU);
        private readonly DisposeScope _scope = torch.NewDisposeScope();

        public TraitCase(ParityCase parityCase, bool negated = false)
        {
            Operator = Hdrq.Networks.Operators.Operator.Create(
                parityCase.Type, new OperatorAttributes(parityCase.Attributes));
            Inputs = [.. parityCase.Inputs.Select(
                (input, i) => negated && i == 0 ? input?.Data.ToTorch().neg() : input?.Data.ToTorch())];
            Outputs = Operator.Compute(Inputs, _context);
            IsDifferentiable = parityCase.Differentiable;
        }

        public Operator Operator { get; }

        public torch.Tensor?[] Inputs { get; }

        public torch.Tensor[] Outputs { get; }

        private bool IsDifferentiable { get; }

        public bool HasFill => Operator.Definition.FillInput < Inputs.Length;

        /// <summary>The outputs of the magnitudes of what goes in, but for what says how to compute.</summary>
        public torch.Tensor[] WithMagnitudes() => Operator.Compute(
            [.. Inputs.Select((input, i) => input is null || !input.is_floating_point()
                || Operator.Definition.SteeringInputs.Contains(i) ? input : input.abs())], _context);

        /// <summary>Whether every input changes the output.</summary>
        public bool ReadsAllInputs() =>
            Inputs.Select((_, changed) =>
            Operator.Compute([.. Inputs.Select(
                (input, i) => i == changed ? input!.add(Scalars.Keep(1), Scalars.One) : input)], _context)[0])
            .All(output => !output.equal(Outputs[0]).all().item<bool>());

        /// <summary>Whether a larger input never gives a smaller output.</summary>
        public bool IsMonotone() =>
            Operator.Compute([Inputs[0]!.add(Scalars.Keep(1), Scalars.One), .. Inputs[1..]], _context)[0].ge(Outputs[0])
            .all().item<bool>();

        /// <summary>Whether twice the second and the third input give twice the output.</summary>
        public bool ScalesWithItsWeights() => Operator.Compute(
            [.. Inputs.Select((input, i) => i is 1 or 2 ? input?.mul(Scalars.Keep(2)) : input)], _context)[0]
            .allclose(Outputs[0].mul(Scalars.Keep(2)), rtol: 1e-4, atol: 1e-5);

        /// <summary>Whether equal steps of the first input are equal steps of the output.</summary>
        public bool IsAffine()
        {
            if (!Inputs[0]!.is_floating_point())
                return true;
            var (start, middle, end) = (At(0), At(2), At(4));
            return (middle - start).allclose(end - middle, rtol: 1e-3, atol: 1e-4, equal_nan: true);

            torch.Tensor At(double shift) =>
                Operator.Compute([Inputs[0]!.add(Scalars.Keep(shift), Scalars.One), .. Inputs[1..]], _context)[0];
        }

        public bool CanBeDifferentiatedTwice()
        {
            if (!IsDifferentiable || !Inputs[0]!.is_floating_point() || !Outputs[0].is_floating_point())
                return true;
            var data = Inputs[0]!.detach().clone().requires_grad_(true);
            var output = Operator.Compute([data, .. Inputs[1..]], new ComputeContext(ForwardMode.Gradient, torch.CPU))[0];
            var gradient = torch.autograd.grad([output.square().sum()], [data], create_graph: true, retain_graph: true)[0];
            if (!gradient.requires_grad)
                return true;
            var second = torch.autograd.grad([gradient.sum()], [data], allow_unused: true)[0];
            return second is null || second.Handle == IntPtr.Zero || second.isfinite().all().item<bool>();
        }

        public void Dispose() => _scope.Dispose();
    }
}
