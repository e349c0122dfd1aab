using System.Collections.Frozen;
using Microsoft.ML.Hdrq.Networks.Torch;
using TorchSharp;
using static Microsoft.ML.Hdrq.Networks.Operators.OperatorTraits;
using Attributes = Microsoft.ML.Hdrq.Networks.Operators.OperatorAttributes;
using Map = System.Func<TorchSharp.torch.Tensor, TorchSharp.torch.Tensor>;
using Reduce = System.Func<TorchSharp.torch.Tensor, long[], bool, TorchSharp.torch.Tensor>;
using Zip = System.Func<TorchSharp.torch.Tensor, TorchSharp.torch.Tensor, TorchSharp.torch.Tensor>;

namespace Microsoft.ML.Hdrq.Networks.Operators;

/// <summary>All supported operators, one entry each.</summary>
internal static class OperatorTable
{
    public static readonly FrozenDictionary<string, OperatorDefinition> Definitions =
        new Dictionary<string, OperatorDefinition>(StringComparer.Ordinal)
        {
            // Layers with weights
            ["Conv"] = new((type, attributes) => new Convolution(type, attributes))
            { MinInputs = 2, MaxInputs = 3, WeightInputs = [1, 2], Traits = TwiceDifferentiable },
            ["ConvTranspose"] = new((type, attributes) => new TransposedConvolution(type, attributes))
            { MinInputs = 2, MaxInputs = 3, WeightInputs = [1, 2], Traits = TwiceDifferentiable },
            ["Gemm"] = new((type, attributes) => new Gemm(type, attributes))
            { MinInputs = 2, MaxInputs = 3, WeightInputs = [1, 2], Traits = TwiceDifferentiable },
            ["MatMul"] = new((type, attributes) => new MatMul(type, attributes))
            { MinInputs = 2, MaxInputs = 2, WeightInputs = [0, 1], Traits = TwiceDifferentiable },
            ["Einsum"] = new((type, attributes) => new Einsum(type, attributes))
            { MaxInputs = int.MaxValue, SinceOpset = 12 },

            // Normalization
            ["BatchNormalization"] = new((type, attributes) => new BatchNormalization(type, attributes))
            {
                MinInputs = 5,
                MaxInputs = 5,
                WeightInputs = [1, 2],
                StatisticInputs = [3, 4],
                Traits = TwiceDifferentiable | Normalizes,
                LaterAttributes = [("training_mode", 14)]
            },
            ["GroupNormalization"] = new((type, attributes) => new GroupNormalization(type, attributes))
            {
                MinInputs = 3,
                MaxInputs = 3,
                WeightInputs = [1, 2],
                SinceOpset = 21,
                Traits = TwiceDifferentiable | Normalizes,
            },
            ["InstanceNormalization"] = new((type, attributes) => new GroupNormalization(type, attributes))
            {
                MinInputs = 3,
                MaxInputs = 3,
                WeightInputs = [1, 2],
                Traits = TwiceDifferentiable | Normalizes,
            },
            ["LayerNormalization"] = new((type, attributes) => new LayerNormalization(type, attributes))
            {
                MinInputs = 2,
                MaxInputs = 3,
                WeightInputs = [1, 2],
                SinceOpset = 17,
                Traits = TwiceDifferentiable | Normalizes,
            },
            ["LpNormalization"] = new((type, attributes) => new LpNormalization(type, attributes)),
            ["LRN"] = new((type, attributes) => new LocalResponseNormalization(type, attributes)),

            // Activations
            ["Relu"] = Unary(x => x.relu()) with { Traits = NeverNegative | FusedActivation | TwiceDifferentiable },
            ["Sigmoid"] = Unary(x => x.sigmoid())
            with
            { Traits = NeverNegative | GivesProbabilities | TwiceDifferentiable },
            ["Tanh"] = Unary(x => x.tanh()) with { Traits = TwiceDifferentiable },
            ["Softplus"] = Unary(TensorMath.Softplus) with { Traits = NeverNegative },
            ["Softsign"] = Unary(x => x.div(x.abs().add(Scalars.Keep(1), Scalars.One))),
            ["HardSwish"] = Unary(x => x.hardswish(), since: 14) with { Traits = TwiceDifferentiable },
            ["Swish"] = Parametric(Swish, since: 24) with { Traits = TwiceDifferentiable },
            ["Mish"] = Unary(x => x.mul(x.Softplus().tanh()), since: 18),
            ["LeakyRelu"] = Unary(("alpha", 0.01f), (x, alpha) => x.leaky_relu(Scalars.Keep(alpha)))
            with
            { Traits = TwiceDifferentiable },
            ["Elu"] = Unary(("alpha", 1), (x, alpha) => x.elu(Scalars.Keep(alpha), Scalars.Keep(1), Scalars.Keep(1))),
            ["Celu"] = Unary(("alpha", 1), (x, alpha) => x.celu(Scalars.Keep(alpha)), since: 12),
            ["ThresholdedRelu"] = Unary(
                ("alpha", 1), (x, alpha) => x.threshold(Scalars.Keep(alpha), Scalars.Keep(0)), since: 10),
            ["Selu"] = Unary(("alpha", 1.67326319217681884765625f), ("gamma", 1.05070102214813232421875f),
            (x, alpha, gamma) => x.elu(Scalars.Keep(alpha), Scalars.Keep(gamma), Scalars.Keep(1))),
            ["HardSigmoid"] = new((type, attributes) => new HardSigmoid(type, attributes))
            { Foldable = true, Traits = NeverNegative | TwiceDifferentiable },
            ["Gelu"] = Parametric(Gelu, since: 20) with { Traits = TwiceDifferentiable },
            ["PRelu"] = Binary((x, slope) => torch.where(x.lt(Scalars.Keep(0)), x.mul(slope), x))
            with
            { WeightInputs = [1] },
            ["Softmax"] = AlongAxis((x, axis) => x.softmax(axis))
            with
            { Traits = NeverNegative | GivesProbabilities | TwiceDifferentiable },
            ["LogSoftmax"] = AlongAxis((x, axis) => x.log_softmax(axis))
            with
            { Traits = RatesClasses | TwiceDifferentiable },
            ["Dropout"] = new((type, attributes) => new Dropout(type, attributes))
            {
                MaxInputs = 3,
                MaxOutputs = 2,
                SteeringInputs = [1],
                Traits = KeepsElements | TwiceDifferentiable,
                LaterAttributes = [("seed", 12)]
            },

            // Simulated quantizers; ONNX writes them as QuantizeLinear and DequantizeLinear
            [FakeQuantize.Name] = new((type, attributes) => new FakeQuantize(type, attributes))
            { MinInputs = 2, MaxInputs = 2, WeightInputs = [0, 1], Traits = TwiceDifferentiable },

            // Elementwise, one input
            ["Abs"] = Unary(x => x.abs()) with { Traits = NeverNegative },
            ["Acos"] = Unary(x => x.acos()),
            ["Acosh"] = Unary(x => x.acosh()),
            ["Asin"] = Unary(x => x.asin()),
            ["Asinh"] = Unary(x => x.asinh()),
            ["Atan"] = Unary(x => x.atan()),
            ["Atanh"] = Unary(x => x.atanh()),
            ["Ceil"] = Unary(x => x.ceil()),
            ["Cos"] = Unary(x => x.cos()),
            ["Cosh"] = Unary(x => x.cosh()),
            ["Erf"] = Unary(x => x.erf()) with { Traits = TwiceDifferentiable },
            ["Exp"] = Unary(x => x.exp()) with { Traits = NeverNegative | TwiceDifferentiable },
            ["Floor"] = Unary(x => x.floor()),
            ["IsInf"] = Parametric(IsInfinite, since: 10),
            ["IsNaN"] = Unary(x => x.isnan()),
            ["Identity"] = Unary(x => x.alias()) with { Traits = PassesOn | Rearranges | TwiceDifferentiable },
            ["Log"] = Unary(x => x.log()) with { Traits = TwiceDifferentiable },
            ["Neg"] = Unary(x => x.neg()) with { Traits = TwiceDifferentiable },
            ["Not"] = Unary(x => x.logical_not()),
            ["Reciprocal"] = Unary(x => x.reciprocal()) with { Traits = TwiceDifferentiable },
            ["Round"] = Unary(x => x.round(), since: 11),
            ["Sign"] = Unary(x => x.sign()),
            ["Sin"] = Unary(x => x.sin()),
            ["Sinh"] = Unary(x => x.sinh()),
            ["Sqrt"] = Unary(Roots.Sqrt) with { Traits = NeverNegative | TwiceDifferentiable },
            ["Tan"] = Unary(x => x.tan()),
            ["Cast"] = new((type, attributes) => new Cast(type, attributes))
            { Foldable = true, Traits = TwiceDifferentiable, LaterAttributes = [("saturate", 19), ("round_mode", 24)] },
            ["CastLike"] = new((type, attributes) => new CastLike(type, attributes))
            { MinInputs = 2, MaxInputs = 2, SinceOpset = 15, Foldable = true },
            ["Clip"] = new((type, attributes) => new Clip(type, attributes))
            {
                MaxInputs = 3,
                SteeringInputs = [1, 2],
                Foldable = true,
                Traits = FusedActivation | TwiceDifferentiable,
                LowerBoundInput = 1
            },

            // Elementwise with broadcasting
            ["Add"] = Binary((a, b) => a.add(b, Scalars.One)) with { Traits = Adds | IsAffine | TwiceDifferentiable },
            ["Sub"] = Binary((a, b) => a.sub(b)) with { Traits = IsAffine | TwiceDifferentiable },
            ["Mul"] = Binary((a, b) => a.mul(b)) with { Traits = KeepsSign | IsAffine | TwiceDifferentiable },
            ["Div"] = Binary(Quotient)
            with
            { SteeringInputs = [1], Traits = IsAffine | TwiceDifferentiable },
            ["Pow"] = Binary(Roots.Power) with { SteeringInputs = [1], Traits = TwiceDifferentiable },
            ["Mod"] = new((type, attributes) => new Binary(type, attributes, Remainder(attributes)))
            { MinInputs = 2, MaxInputs = 2, SinceOpset = 10, Foldable = true },
            ["Equal"] = Binary((a, b) => a.eq(b)) with { SteeringInputs = [0, 1], Traits = TwiceDifferentiable },
            ["Less"] = Binary((a, b) => a.lt(b)) with { SteeringInputs = [0, 1] },
            ["LessOrEqual"] = Binary((a, b) => a.le(b)) with { SteeringInputs = [0, 1], SinceOpset = 12 },
            ["Greater"] = Binary((a, b) => a.gt(b)) with { SteeringInputs = [0, 1] },
            ["GreaterOrEqual"] = Binary((a, b) => a.ge(b)) with { SteeringInputs = [0, 1], SinceOpset = 12 },
            ["And"] = Binary((a, b) => a.logical_and(b)) with { SteeringInputs = [0, 1] },
            ["Or"] = Binary((a, b) => a.logical_or(b)) with { SteeringInputs = [0, 1] },
            ["Xor"] = Binary((a, b) => a.logical_xor(b)) with { SteeringInputs = [0, 1] },
            ["Where"] = new((type, attributes) => new Where(type, attributes))
            { MinInputs = 3, MaxInputs = 3, Foldable = true, Traits = TwiceDifferentiable },
            ["Max"] = Variadic((a, b) => a.maximum(b)) with { Traits = KeepsSign | TwiceDifferentiable },
            ["Min"] = Variadic((a, b) => a.minimum(b)) with { Traits = TwiceDifferentiable },
            ["Sum"] = Variadic((a, b) => a.add(b, Scalars.One)) with { Traits = Adds | TwiceDifferentiable },
            ["Mean"] = Variadic((a, b) => a.add(b, Scalars.One)) with { Traits = Joins | TwiceDifferentiable },

            // Pooling
            ["LpPool"] = new((type, attributes) => new LpPooling(type, attributes))
            {
                SinceOpset = 2,
                Traits = NeverNegative,
                LaterAttributes = [("ceil_mode", 18), ("dilations", 18)]
            },
            ["AveragePool"] = new((type, attributes) => new AveragePooling(type, attributes))
            {
                Traits = Averages | Pools | TwiceDifferentiable,
                LaterAttributes = [("ceil_mode", 10), ("dilations", 19)]
            },
            ["MaxPool"] = new((type, attributes) => new MaxPooling(type, attributes))
            {
                Traits = MovesValues | Pools | TwiceDifferentiable,
                LaterAttributes = [("ceil_mode", 10), ("dilations", 10)]
            },
            ["GlobalAveragePool"] = new((type, attributes) =>
                new GlobalPooling(type, attributes, (x, axes) => x.mean(axes, keepdim: true)))
            { Traits = Averages | Pools | TwiceDifferentiable },
            ["GlobalMaxPool"] = new((type, attributes) =>
                new GlobalPooling(type, attributes, (x, axes) => x.amax(axes, keepdim: true)))
            { Traits = MovesValues | Pools | TwiceDifferentiable },

            // Reductions
            ["ReduceSum"] = Reduce(Reduction.Sum)
            with
            { Traits = KeepsSign | TwiceDifferentiable, LaterAttributes = [("noop_with_empty_axes", 13)] },
            ["ReduceMean"] = Reduce(Reduction.Mean)
            with
            { Traits = Averages | TwiceDifferentiable, LaterAttributes = [("noop_with_empty_axes", 18)] },
            ["ReduceMax"] = Reduce((x, axes, keep) => x.amax(axes, keep))
            with
            { Traits = KeepsSign, LaterAttributes = [("noop_with_empty_axes", 18)] },
            ["ReduceMin"] = Reduce((x, axes, keep) => x.amin(axes, keep))
            with
            { LaterAttributes = [("noop_with_empty_axes", 18)] },
            ["ReduceProd"] = Reduce(Product)
            with
            { LaterAttributes = [("noop_with_empty_axes", 18)] },
            ["ReduceL1"] = Reduce((x, axes, keep) => Reduction.Sum(x.abs(), axes, keep))
            with
            { LaterAttributes = [("noop_with_empty_axes", 18)] },
            ["ReduceL2"] = Reduce(Reduction.EuclideanNorm)
            with
            { LaterAttributes = [("noop_with_empty_axes", 18)] },
            ["ReduceSumSquare"] = Reduce((x, axes, keep) => Reduction.Sum(x.mul(x), axes, keep))
            with
            { LaterAttributes = [("noop_with_empty_axes", 18)] },
            ["ReduceLogSum"] = Reduce((x, axes, keep) => Reduction.Sum(x, axes, keep).log())
            with
            { LaterAttributes = [("noop_with_empty_axes", 18)] },
            ["ReduceLogSumExp"] = Reduce(LogSumExp)
            with
            { LaterAttributes = [("noop_with_empty_axes", 18)] },
            ["ArgMax"] = new((type, attributes) => new ArgReduction(type, attributes))
            { Foldable = true, LaterAttributes = [("select_last_index", 12)] },
            ["ArgMin"] = new((type, attributes) => new ArgReduction(type, attributes))
            { Foldable = true, LaterAttributes = [("select_last_index", 12)] },
            ["CumSum"] = new((type, attributes) => new CumulativeSum(type, attributes))
            { MinInputs = 2, MaxInputs = 2, SinceOpset = 11, Foldable = true },
            ["TopK"] = new((type, attributes) => new TopK(type, attributes))
            {
                MinInputs = 2,
                MaxInputs = 2,
                MaxOutputs = 2,
                SinceOpset = 10,
                Foldable = true,
                LaterAttributes = [("largest", 11), ("sorted", 11)]
            },

            // Shapes
            ["Shape"] = new((type, attributes) => new Shape(type, attributes))
            {
                Foldable = true,
                Traits = ReadsShape | TwiceDifferentiable,
                LaterAttributes = [("start", 15), ("end", 15)]
            },
            ["Size"] = new((type, attributes) => new Size(type, attributes))
            { Foldable = true, Traits = ReadsShape | TwiceDifferentiable },
            ["Reshape"] = new((type, attributes) => new Reshape(type, attributes))
            {
                MinInputs = 2,
                MaxInputs = 2,
                Foldable = true,
                Traits = KeepsElements | Rearranges | TwiceDifferentiable,
                LaterAttributes = [("allowzero", 14)]
            },
            ["Flatten"] = new((type, attributes) => new Flatten(type, attributes))
            { Foldable = true, Traits = KeepsElements | Rearranges | TwiceDifferentiable },
            ["Squeeze"] = new((type, attributes) => new Squeeze(type, attributes))
            { MaxInputs = 2, Foldable = true, Traits = KeepsElements | Rearranges | TwiceDifferentiable },
            ["Unsqueeze"] = new((type, attributes) => new Unsqueeze(type, attributes))
            {
                MinInputs = 2,
                MaxInputs = 2,
                Foldable = true,
                Traits = KeepsElements | Rearranges | TwiceDifferentiable
            },
            ["Transpose"] = new((type, attributes) => new Transpose(type, attributes))
            { Foldable = true, Traits = Rearranges | TwiceDifferentiable },
            ["Expand"] = new((type, attributes) => new Expand(type, attributes))
            { MinInputs = 2, MaxInputs = 2, Foldable = true, Traits = KeepsSign | TwiceDifferentiable },
            ["Tile"] = new((type, attributes) => new Tile(type, attributes))
            { MinInputs = 2, MaxInputs = 2, Foldable = true, Traits = KeepsSign },
            ["DepthToSpace"] = new((type, attributes) => new DepthToSpace(type, attributes))
            { Foldable = true, Traits = KeepsSign, LaterAttributes = [("mode", 11)] },
            ["SpaceToDepth"] = new((type, attributes) => new DepthToSpace(type, attributes))
            { Foldable = true, Traits = KeepsSign },

            // Parts
            ["Concat"] = new((type, attributes) => new Concatenation(type, attributes))
            { MaxInputs = int.MaxValue, Foldable = true, Traits = Joins | TwiceDifferentiable },
            ["Slice"] = new((type, attributes) => new Slice(type, attributes))
            { MinInputs = 3, MaxInputs = 5, Foldable = true, Traits = MovesValues | TwiceDifferentiable },
            ["Split"] = new((type, attributes) => new Split(type, attributes))
            { MaxInputs = 2, MaxOutputs = int.MaxValue, Foldable = true, Traits = KeepsSign | TwiceDifferentiable },
            ["Gather"] = new((type, attributes) => new Gather(type, attributes))
            { MinInputs = 2, MaxInputs = 2, Foldable = true, Traits = KeepsSign | TwiceDifferentiable },
            ["GatherElements"] = new((type, attributes) => new Gather(type, attributes))
            { MinInputs = 2, MaxInputs = 2, SinceOpset = 11, Foldable = true },
            ["GatherND"] = new((type, attributes) => new GatherND(type, attributes))
            { MinInputs = 2, MaxInputs = 2, SinceOpset = 11, Foldable = true, LaterAttributes = [("batch_dims", 12)] },
            ["ScatterElements"] = new((type, attributes) => new Scatter(type, attributes))
            { MinInputs = 3, MaxInputs = 3, SinceOpset = 11, Foldable = true, LaterAttributes = [("reduction", 16)] },
            ["ScatterND"] = new((type, attributes) => new Scatter(type, attributes))
            { MinInputs = 3, MaxInputs = 3, SinceOpset = 11, Foldable = true, LaterAttributes = [("reduction", 16)] },
            ["OneHot"] = new((type, attributes) => new OneHot(type, attributes))
            { MinInputs = 3, MaxInputs = 3, SteeringInputs = [1, 2], SinceOpset = 9, Foldable = true },
            ["CenterCropPad"] = new((type, attributes) => new CenterCropPad(type, attributes))
            { MinInputs = 2, MaxInputs = 2, SinceOpset = 18, Traits = KeepsSign },
            ["Col2Im"] = new((type, attributes) => new Col2Im(type, attributes))
            { MinInputs = 3, MaxInputs = 3, SinceOpset = 18, Traits = KeepsSign },
            ["GridSample"] = new((type, attributes) => new GridSample(type, attributes))
            { MinInputs = 2, MaxInputs = 2, SinceOpset = 20 },
            ["NonMaxSuppression"] = new((type, attributes) => new NonMaxSuppression(type, attributes))
            { MinInputs = 2, MaxInputs = 5, SteeringInputs = [2, 3, 4], SinceOpset = 10 },
            ["Pad"] = new((type, attributes) => new Pad(type, attributes))
            {
                MinInputs = 2,
                MaxInputs = 4,
                SteeringInputs = [2],
                Foldable = true,
                Traits = MovesValues | TwiceDifferentiable,
                FillInput = 2
            },
            ["Resize"] = new((type, attributes) => new Resize(type, attributes))
            {
                MaxInputs = 4,
                SteeringInputs = [1, 2],
                Traits = KeepsSign | TwiceDifferentiable,
                LaterAttributes = [("antialias", 18), ("axes", 18), ("keep_aspect_ratio_policy", 18)]
            },
            ["Trilu"] = new((type, attributes) => new Trilu(type, attributes))
            { MaxInputs = 2, SinceOpset = 14, Foldable = true },

            // Without data inputs
            ["ConstantOfShape"] = new((type, attributes) => new ConstantOfShape(type, attributes))
            { Foldable = true, Traits = TwiceDifferentiable },
            ["Range"] = new((type, attributes) => new Sequence(type, attributes))
            {
                MinInputs = 3,
                MaxInputs = 3,
                SteeringInputs = [0, 1, 2],
                SinceOpset = 11,
                Foldable = true,
                Traits = TwiceDifferentiable
            },

            // Quantization. Not foldable: a quantized weight must stay quantized.
            [QuantizeLinear.Name] = new((type, attributes) => new QuantizeLinear(type, attributes))
            {
                MinInputs = 2,
                MaxInputs = 3,
                SteeringInputs = [1],
                SinceOpset = 10,
                LaterAttributes =
                [
                    ("axis", 13), ("saturate", 19), ("block_size", 21), ("output_dtype", 21), ("precision", 23),
                ]
            },
            [DequantizeLinear.Name] = new((type, attributes) => new DequantizeLinear(type, attributes))
            {
                MinInputs = 2,
                MaxInputs = 3,
                SteeringInputs = [1],
                SinceOpset = 10,
                LaterAttributes = [("axis", 13), ("block_size", 21), ("output_dtype", 23)]
            },
        }.ToFrozenDictionary(StringComparer.Ordinal);

    private static OperatorDefinition Unary(Map function, int since = 1) =>
        new((type, attributes) => new Unary(type, attributes, function)) { SinceOpset = since, Foldable = true };

    private static OperatorDefinition Unary(
        (string Name, float Default) parameter,
        Func<torch.Tensor, float, torch.Tensor> function,
        int since = 1) =>
        Parametric(
            attributes =>
            {
                var value = attributes.Float(parameter.Name, parameter.Default);
                return x => function(x, value);
            },
            since);

    private static OperatorDefinition Unary(
        (string Name, float Default) first,
        (string Name, float Default) second,
        Func<torch.Tensor, float, float, torch.Tensor> function) =>
        Parametric(attributes =>
        {
            var one = attributes.Float(first.Name, first.Default);
            var two = attributes.Float(second.Name, second.Default);
            return x => function(x, one, two);
        });

    private static OperatorDefinition Parametric(Func<Attributes, Map> bind, int since = 1) =>
        new((type, attributes) => new ParametricUnary(type, attributes, bind)) { SinceOpset = since, Foldable = true };

    private static Map Gelu(Attributes attributes) => attributes.Text("approximate", "none") switch
    {
        "none" => x => x.gelu(),
        "tanh" => x => x.gelu(TorchSharp.Modules.GELU.Approximate.tanh),
        var other => throw new InvalidDataException($"Attribute 'approximate' is '{other}'; it must be none or tanh."),
    };

    private static Map Swish(Attributes attributes)
    {
        var alpha = attributes.Float("alpha", 1);
        return alpha == 1
            ? x => torch.nn.functional.silu(x)
            : x => x.mul(x.mul(Scalars.Keep(alpha)).sigmoid());
    }

    private static Map IsInfinite(Attributes attributes)
    {
        var negative = attributes.Integer("detect_negative", 1) != 0;
        var positive = attributes.Integer("detect_positive", 1) != 0;
        return x => (negative, positive) switch
        {
            (true, true) => x.isinf(),
            (true, false) => x.isneginf(),
            (false, true) => x.isposinf(),
            _ => torch.zeros_like(x, torch.ScalarType.Bool),
        };
    }

    private static Zip Remainder(Attributes attributes) => attributes.Integer("fmod", 0) != 0
        ? (a, b) => Integers(a, b, (x, y) => x.fmod(y))
        : (a, b) => Integers(a, b, (x, y) => x.remainder(y));

    private static torch.Tensor Quotient(torch.Tensor a, torch.Tensor b) =>
        Integers(a, b, (x, y) => x.is_floating_point() ? x.div(y) : x.div(y, torch.RoundingMode.trunc));

    /// <summary>
    /// Divides integers by -1 apart: the processor ends the process where the quotient does not fit into the type.
    /// </summary>
    private static torch.Tensor Integers(torch.Tensor a, torch.Tensor b, Zip divide)
    {
        if (a.is_floating_point() || b.is_floating_point() || b.dtype is torch.ScalarType.Byte or torch.ScalarType.Bool)
            return divide(a, b);
        var isMinusOne = b.eq(Scalars.Keep(-1));
        if (!isMinusOne.any().item<bool>())
            return divide(a, b);
        var one = torch.ones_like(b);
        // Both quotient and remainder by -1 are those by 1 with the other sign.
        return torch.where(isMinusOne, divide(a, one).neg(), divide(a, torch.where(isMinusOne, one, b)));
    }

    private static torch.Tensor Product(torch.Tensor x, long[] axes, bool keep) =>
        Reduction.OneByOne(x, axes, keep, (part, axis, keepAxis) => part.prod(axis, keepAxis, part.dtype));

    private static torch.Tensor LogSumExp(torch.Tensor x, long[] axes, bool keep) =>
        Reduction.OneByOne(x, axes, keep, (part, axis, keepAxis) => part.logsumexp(axis, keepAxis));

    private static OperatorDefinition AlongAxis(Func<torch.Tensor, long, torch.Tensor> function) =>
        new((type, attributes) => new AlongAxis(type, attributes, function)) { Foldable = true };

    private static OperatorDefinition Binary(Zip function) =>
        new((type, attributes) => new Binary(type, attributes, function))
        { MinInputs = 2, MaxInputs = 2, Foldable = true };

    private static OperatorDefinition Variadic(Zip function) =>
        new((type, attributes) => new Variadic(type, attributes, function))
        { MaxInputs = int.MaxValue, Foldable = true };

    private static OperatorDefinition Reduce(Reduce function) =>
        new((type, attributes) => new Reduction(type, attributes, function)) { MaxInputs = 2, Foldable = true };
}
