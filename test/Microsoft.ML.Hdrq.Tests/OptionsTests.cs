using System.Numerics;
using System.Reflection;
using Microsoft.ML.Hdrq.Adaptation;
using Microsoft.ML.Hdrq.Analysis;
using Microsoft.ML.Hdrq.Merging;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Onnx;
using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Hdrq.Pipeline.Masks;
using Microsoft.ML.Hdrq.Quantization;
using Microsoft.ML.Hdrq.Tests.Pipeline;

namespace Microsoft.ML.Hdrq.Tests;

/// <summary>Every numeric option of the library is checked against what it can mean, at both of its ends.</summary>
[TestClass]
public sealed class OptionsTests
{
    /// <summary>How the options of each type are checked, as the steps do it before any work.</summary>
    private static readonly Dictionary<Type, Action<object>> _checks = new()
    {
        [typeof(AdaptationOptions)] = options => ((AdaptationOptions)options).Check(),
        [typeof(AnalysisOptions)] = options => ((AnalysisOptions)options).Check(),
        [typeof(ScoringOptions)] = options => ((ScoringOptions)options).ToSettings("Score"),
        [typeof(RowOptions)] = options => ((RowOptions)options).Check(readsLabels: false),
        [typeof(DistillationOptions)] = options => ((DistillationOptions)options).Check(),
        [typeof(MergeWeightSearch)] = options => ((MergeWeightSearch)options).Check(),
        [typeof(MaskColoringOptions)] = options => ((MaskColoringOptions)options).Check(),
        [typeof(MaskLoadingOptions)] = options => ((MaskLoadingOptions)options).Check(),
        [typeof(CalibrationOptions)] = options => ((CalibrationOptions)options).Check(),
        [typeof(SentMoments)] = options => ((SentMoments)options).Check(),
        [typeof(MomentNoise)] = options => ((MomentNoise)options).Check(),
        [typeof(BitBudget)] = options => ((BitBudget)options).Check(),
        [typeof(HdrqOptions)] = options => ((QuantizationOptions)options).Check(),
        [typeof(AdaRoundOptions)] = options => ((QuantizationOptions)options).Check(),
        [typeof(BrecqOptions)] = options => ((QuantizationOptions)options).Check(),
        [typeof(QDropOptions)] = options => ((QuantizationOptions)options).Check(),
        [typeof(RoundToNearestOptions)] = options => ((QuantizationOptions)options).Check(),
        [typeof(HdrqTraining)] = training => ((BlockTraining)training).Check(),
        [typeof(RoundingTraining)] = training => ((BlockTraining)training).Check(),
        [typeof(QDropTraining)] = training => ((BlockTraining)training).Check(),
        [typeof(OnnxLoadOptions)] = options => ((OnnxLoadOptions)options).Check(),
        [typeof(OnnxSaveOptions)] = options => Save((OnnxSaveOptions)options),
    };

    /// <summary>Options of which any number means something, or any from some number on.</summary>
    private static readonly Dictionary<string, string> _open = new(StringComparer.Ordinal)
    {
        ["Seed"] = "both", // Any number is a seed.
        ["MaxRows"] = "above", // All rows.
        ["CacheMemory"] = "above", // All memory.
        ["MaxValueSize"] = "above",
        ["IgnoredLabel"] = "both", // Any byte.
        ["IgnoredValue"] = "both",
        ["Patience"] = "alone", // Needs another option too.
    };

    private static IEnumerable<TestDataRow<(Type Options, string Name)>> Numbers =>
        from type in typeof(AdaptationOptions).Assembly.GetExportedTypes()
        where !type.IsAbstract && !type.IsAssignableTo(typeof(Exception)) && type.GetConstructor([]) is not null
        from property in type.GetProperties()
        where property.SetMethod is not null && IsNumber(property.PropertyType)
        select new TestDataRow<(Type, string)>((type, property.Name)) { DisplayName = $"{type.Name}.{property.Name}" };

    [TestMethod]
    [DynamicData(nameof(Numbers))]
    public void A_number_that_means_nothing_is_refused_by_its_name(Type options, string name)
    {
        Assert.IsTrue(_checks.TryGetValue(options, out var check), $"{options} is not checked here.");
        var property = options.GetProperty(name)!;
        var type = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
        var open = _open.GetValueOrDefault(name, "");
        (object Low, object High)[] ends = type == typeof(double)
            ? [(-double.Epsilon, double.MaxValue), (double.NegativeInfinity, double.PositiveInfinity),
                (double.NaN, double.NaN)]
            : [((object)Convert(type, "MinValue"), Convert(type, "MaxValue"))];
        foreach (var (low, high) in ends)
        {
            if (open != "both")
                AssertRefused(low);
            if (open is not ("both" or "above"))
                AssertRefused(high);
        }
        if (open != "alone" && options != typeof(BitBudget))
            check(Activator.CreateInstance(options)!);

        void AssertRefused(object value)
        {
            var changed = Activator.CreateInstance(options)!;
            property.SetValue(changed, value);
            var exception = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => check(changed), $"{name} = {value}");
            StringAssert.Contains(exception.Message, name);
        }
    }

    [TestMethod]
    public void Nothing_to_merge_is_said_so()
    {
        var exception = Assert.ThrowsExactly<ArgumentException>(
            () => new MLContext().Transforms.MergeNetworks("Score", "A"));
        StringAssert.StartsWith(exception.Message, "There is nothing to merge 'A' with: it takes at least 2 score columns");
    }

    [TestMethod]
    public void Missing_options_are_refused_by_their_name()
    {
        var transforms = new MLContext().Transforms;
        using var network = TestNetworks.Classifier();
        (string Name, Action Call)[] calls =
        [
            ("options", () => transforms.ApplyNetwork("Score", "Pixels", network, null!)),
            ("options", () => transforms.QuantizeNetwork("B", "A", null!)),
            ("options", () => transforms.MergeNetworks("C", ["A", "B"], null!)),
            ("options", () => transforms.MergeNetworks("C", "Pixels", [network, network], null!)),
            ("columnNames", () => transforms.MergeNetworks("C", (IReadOnlyList<string>)null!, new MergeOptions())),
            ("networks", () => transforms.MergeNetworks("C", "Pixels", (IReadOnlyList<Network>)null!, new MergeOptions())),
            ("files", () => transforms.MergeNetworks("C", "Pixels", (IReadOnlyList<string>)null!)),
            ("files", () => NetworkMerger.MergeFiles(null!)),
            ("value", () => _ = new MergeOptions { Method = null! }),
        ];
        foreach (var (name, call) in calls)
            Assert.AreEqual(name, Assert.ThrowsExactly<ArgumentNullException>(call).ParamName);
    }

    private static bool IsNumber(Type type) => (Nullable.GetUnderlyingType(type) ?? type) is var number
        && Array.Exists(
            number.GetInterfaces(), i => i.IsGenericType && i.GetGenericTypeDefinition() == typeof(INumber<>))
        && number != typeof(char);

    private static object Convert(Type type, string end) =>
        type.GetField(end, BindingFlags.Public | BindingFlags.Static)!.GetValue(null)!;

    private static void Save(OnnxSaveOptions options)
    {
        using var network = TestNetworks.Classifier();
        network.SaveOnnx(Stream.Null, options);
    }
}
