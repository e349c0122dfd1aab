using System.IO.Compression;
using System.Text.RegularExpressions;

namespace Microsoft.ML.Hdrq.Tool.Tests.Commands;

/// <summary>What cannot be done is said in one sentence, and nothing is begun and nothing written.</summary>
[TestClass]
public sealed partial class WrongCommandLineTests
{
    private const string Adapt =
        "adapt --data {f}/data --domain fog --network {f}/network.onnx --output {f}/new/a.onnx";
    private const string Merged = "adapt --data {f}/data --merged {f}/network.onnx --output {f}/new/a.onnx";
    private const string Quantize =
        "quantize --data {f}/data --domain fog --network {f}/network.onnx --output {f}/new/q.onnx";
    private const string Merge = "merge {f}/a.onnx {f}/b.onnx --output {f}/new/m.onnx";
    private const string Evaluate = "evaluate {f}/network.onnx --data {f}/data";
    private const string Run = "run --data {f}/data --network {f}/network.onnx --output {f}/new/out";
    private const string RunMasks = "run --data {f}/masks --network {f}/seg.onnx --output {f}/new/out";
    private const string Compare = "compare --data {f}/data --network {f}/network.onnx --output {f}/new/out";
    private const string Explain = "explain --data {f}/data --network {f}/network.onnx --output {f}/new/out";

    private static TemporaryDirectory _folder = null!;

    /// <summary>
    /// The command line, its exit code, and what the sentence says of it; {f} is the folder of files.
    /// </summary>
    public static IEnumerable<object[]> Cases()
    {
        foreach (var (line, exitCode, part) in new (string, int, string)[]
        {
            ("", 2, "command"),
            ("frobnicate", 2, "'frobnicate'"),
            ("--frobnicate", 2, "'--frobnicate'"),

            ("info", 2, "'info'"),
            ("info {f}/none.onnx", 2, "{f}/none.onnx: there is no such file"),
            ("info {f}/data", 2, "{f}/data: that is a folder"),
            ("info {f}/network.onnx {f}/seg.onnx", 2, "{f}/seg.onnx"),
            ("info {f}/network.onnx --frobnicate", 2, "'--frobnicate'"),
            ("info {f}/text.onnx", 3, "{f}/text.onnx"),
            ("info {f}/empty.onnx", 3, "{f}/empty.onnx"),
            ("info {f}/cut.onnx", 3, "{f}/cut.onnx"),
            ("info {f}/image.png", 3, "{f}/image.png"),
            ("info {f}/plain.zip", 3, "{f}/plain.zip"),
            ("info {f}/text.zip", 3, "{f}/text.zip"),

            (Evaluate + " --data {f}/none", 2, "'--data' expects a single argument"),
            ("evaluate --data {f}/data", 2, "'evaluate'"),
            ("evaluate {f}/network.onnx", 2, "'--data'"),
            ("evaluate {f}/network.onnx --data {f}/none", 2, "--data {f}/none: there is no such folder"),
            ("evaluate {f}/network.onnx --data {f}/file.txt", 2, "--data {f}/file.txt: that is a file"),
            ("evaluate {f}/network.onnx --data {f}/nothing", 3, "'{f}/nothing' holds no domains"),
            ("evaluate {f}/network.onnx --data {f}/flat", 3, "'{f}/flat' holds no domains"),
            (Evaluate + " --domains snow", 2, "'snow'"),
            (Evaluate + " --domains fog fog", 2, "'fog' is given twice"),
            (Evaluate + " --split all", 2, "--split all"),
            ("run --data {f}/data --network resnet18 --scores x --output {f}/new/out", 2, "--scores is for a file"),
            ("run --data {f}/data --scores x --output {f}/new/out", 2, "--scores is for a file"),
            (Evaluate + " --normalization cifar", 2, "--normalization cifar"),
            ("evaluate {f}/text.onnx --data {f}/data", 3, "{f}/text.onnx"),
            ("evaluate {f}/five.onnx --data {f}/data", 3, "3 classes"),
            ("evaluate {f}/grey.onnx --data {f}/data", 3, "colour images"),
            ("evaluate {f}/seg.onnx --data {f}/data", 3, "3 classes"),
            ("evaluate {f}/network.onnx --data {f}/masks", 3, "for every pixel"),
            ("evaluate {f}/network.onnx --data {f}/hollow", 3, "{f}/hollow/fog/test"),
            ("evaluate {f}/network.onnx {f}/none.onnx --data {f}/data", 2, "{f}/none.onnx: there is no such file"),
            ("evaluate {f}/network.onnx {f}/five.onnx --data {f}/data", 3, "five.onnx"),

            (Adapt + " --frobnicate 1", 2, "'--frobnicate'"),
            ("adapt --data {f}/data --network {f}/network.onnx --output {f}/new/a.onnx", 2, "--domain is missing"),
            ("adapt --data {f}/data --domain snow --network {f}/network.onnx --output {f}/new/a.onnx", 2, "'snow'"),
            ("adapt --data {f}/data --domain fog --output {f}/new/a.onnx", 2, "'--network'"),
            ("adapt --data {f}/data --domain fog --network {f}/network.onnx", 2, "'--output'"),
            ("adapt --data {f}/flat --network {f}/network.onnx --output {f}/new/a.onnx", 3, "'{f}/flat'"),
            ("adapt --data {f}/nothing --network {f}/network.onnx --output {f}/new/a.onnx", 3, "'{f}/nothing'"),
            ("adapt --data {f}/hollow/fog --network {f}/network.onnx --output {f}/new/a.onnx --normalization x", 2,
                "--normalization x"),
            ("adapt --data {f}/data --domain fog --network {f}/five.onnx --output {f}/new/a.onnx", 3, "3 classes"),
            ("adapt --data {f}/data --domain fog --network {f}/grey.onnx --output {f}/new/a.onnx", 3, "colour images"),
            ("adapt --data {f}/data --domain fog --network {f}/text.onnx --output {f}/new/a.onnx", 3, "{f}/text.onnx"),
            ("adapt --data {f}/broken --domain fog --network {f}/network.onnx --output {f}/new/a.onnx", 3,
                "{f}/broken/fog/train/bar/1.png"),
            ("adapt --data {f}/cut --domain fog --network {f}/network.onnx --output {f}/new/a.onnx", 3,
                "{f}/cut/fog/train/dot/1.png' is cut off"),
            ("adapt --data {f}/cut/fog/train --labels none --network {f}/network.onnx --output {f}/new/a.onnx", 3,
                "{f}/cut/fog/train/dot/1.png' is cut off"),
            ("adapt --data {f}/data --domain fog --network {f}/quantized.onnx --output {f}/new/a.onnx", 3,
                "--merged, in place of --network"),
            ("adapt --data {f}/data --domain fog --labels none --network {f}/quantized.onnx --output {f}/new/a.onnx", 3,
                "--merged, in place of --network"),
            (Adapt + " --balance-classes", 2, "--balance-classes"),
            (Adapt + " --head-rate 0.1", 2, "--new-head"),
            (Adapt + " --validation 1", 2, "--validation 1"),
            (Adapt + " --labels some", 2, "--labels some"),
            (Adapt + " --labels none --validation 0.2", 2, "--validation needs labels"),
            (Adapt + " --labels none --balance-classes", 2, "--balance-classes needs labels"),
            (Adapt + " --labels none --new-head", 2, "a new head learns from labels only"),
            (Adapt + " --merged {f}/network.onnx", 2, "--network is not for it"),
            (Merged + " --epochs 2", 2, "--epochs is not for it"),
            (Merged + " --labels train", 2, "--labels is not for it"),
            (Merged + " --domain fog", 3, "in full precision"),
            ("adapt --data {f}/data --merged {f}/none.onnx --output {f}/new/a.onnx", 2, "there is no such file"),
            (Adapt + " --rate 0", 2, "--rate 0"),
            (Adapt + " --rate NaN", 2, "--rate NaN"),
            (Adapt + " --gpu 7", 2, "--gpu 7"),
            ("adapt --data {f}/data --domain fog --network {f}/network.onnx --output {f}/new/a.zip", 2,
                "must end in .onnx"),
            ("adapt --data {f}/data --domain fog --network {f}/network.onnx --output {f}/folder.onnx", 2,
                "that is a folder"),
            ("adapt --data {f}/data --domain fog --network {f}/network.onnx --output {f}/file.txt/a.onnx", 2,
                "is a file, not a folder"),
            ("adapt --data {f}/data --domain fog --network {f}/network.onnx --output {r}/a.onnx", 2,
                "cannot be written to"),
            ("adapt --data {f}/data --domain fog --network {f}/network.onnx --output {f}/network.onnx", 2, "--output"),

            ("quantize --data {f}/data --network {f}/network.onnx --output {f}/new/q.onnx", 2, "--domain is missing"),
            ("quantize --data {f}/nothing --network {f}/network.onnx --output {f}/new/q.onnx", 3,
                "'{f}/nothing' holds no images"),
            ("quantize --data {f}/file.txt --network {f}/network.onnx --output {f}/new/q.onnx", 2,
                "--data {f}/file.txt: that is a file"),
            ("quantize --data {f}/data --domain fog --network {f}/grey.onnx --output {f}/new/q.onnx", 3,
                "colour images"),
            ("quantize --data {f}/data --domain fog --network {f}/rank3.onnx --output {f}/new/q.onnx", 3, "neither"),
            ("quantize --data {f}/broken/fog --network {f}/network.onnx --source {f}/a.onnx --output {f}/new/q.onnx", 3,
                "{f}/broken/fog/train/bar/1.png"),
            (Quantize + " --source {f}/none.onnx", 2, "--source {f}/none.onnx: there is no such file"),
            (Quantize + " --source {f}/wide.onnx", 3, "source network"),
            (Quantize + " --source {f}/seg.onnx", 3, "seg.onnx"),
            (Quantize + " --average-bits 3.5", 2, "--average-bits needs --source"),
            (Quantize + " --average-bits 9 --source {f}/network.onnx", 2, "--average-bits 9"),
            (Quantize + " --bits 4", 2, "--bits 4"),
            (Quantize + " --bits 4,9", 2, "--bits 4,9"),
            (Quantize + " --bits 4,4 3,3", 2, "3,3"),
            (Quantize + " --method gptq", 2, "--method gptq"),
            (Quantize + " --settings best", 2, "--settings best"),
            (Quantize + " --calibration-images 0", 2, "--calibration-images 0"),
            (Quantize + " --iterations -1", 2, "--iterations -1"),

            ("merge {f}/a.onnx --output {f}/new/m.onnx", 2, "at least two"),
            ("merge --output {f}/new/m.onnx", 2, "'merge'"),
            ("merge {f}/a.onnx {f}/b.onnx", 2, "'--output'"),
            ("merge {f}/a.onnx {f}/a.onnx --output {f}/new/m.onnx", 2, "twice"),
            ("merge {f}/a.onnx {f}/none.onnx --output {f}/new/m.onnx", 2, "{f}/none.onnx: there is no such file"),
            ("merge {f}/nothing/*.onnx --output {f}/new/m.onnx", 2, "matches no file"),
            ("merge {f}/data --output {f}/new/m.onnx", 2, "{f}/data is a folder"),
            ("merge {f}/a.onnx {f}/five.onnx --output {f}/new/m.onnx", 3, "five.onnx"),
            ("merge {f}/a.onnx {f}/seg.onnx --output {f}/new/m.onnx", 3, "seg.onnx"),
            ("merge {f}/a.onnx {f}/quantized.onnx --output {f}/new/m.onnx", 3, "quantized.onnx"),
            ("merge {f}/a.onnx {f}/text.onnx --output {f}/new/m.onnx", 3, "{f}/text.onnx"),
            (Merge + " --weights 1", 2, "--weights has 1 numbers, and there are 2 networks"),
            (Merge + " --weights 1 2 3", 2, "--weights has 3 numbers, and there are 2 networks"),
            (Merge + " --weights 1 -1", 2, "--weights -1"),
            (Merge + " --weights 0 0", 2, "--weights"),
            (Merge + " --weights 1 NaN", 2, "--weights NaN"),
            (Merge + " --weights 1 Infinity", 2, "--weights Infinity"),
            (Merge + " --merging average", 2, "--merging average"),
            (Merge + " --merging ties", 2, "--merging ties needs --source"),
            (Merge + " --merging nearest", 2, "quantized"),
            (Merge + " --merging ties --source {f}/wide.onnx", 3, "source"),
            (Merge + " --merging mean --source {f}/network.onnx", 2, "--source"),
            (Merge + " --classes {f}/classes.txt", 3, "classes.txt"),
            (Merge + " --size 16", 2, "--size is for --zip"),
            (Merge + " --zip {f}/new/m.onnx", 2, "must end in .zip"),
            (Merge + " --zip {f}/new/m.zip --classes {f}/empty.onnx", 3, "names no class"),
            (Merge + " --zip {f}/new/m.zip --classes {f}/classes.txt", 3, "classes.txt"),
            ("merge {f}/any1.onnx {f}/any2.onnx --output {f}/new/m.onnx --zip {f}/new/m.zip", 2, "--size is missing"),
            ("merge {f}/grey.onnx {f}/grey2.onnx --output {f}/new/m.onnx --zip {f}/new/m.zip", 3, "colour images"),

            (Merge + " --calibration-images 64", 2, "Unrecognized option '--calibration-images'"),
            ("merge {f}/none-[0-2].onnx --output {f}/new/m.onnx", 2, "there is no such file; patterns have * and **"),
            (Merge + " --data {f}/data", 2, "--domains is missing"),
            (Merge + " --data {f}/data --domains fog", 2, "--domains names 1 places, and there are 2 networks"),
            (Merge + " --data {f}/data --domains fog nowhere", 2, "--domains: there is no domain 'nowhere' in"),
            (Merge + " --draft {f}/a.onnx --moments {f}/text.onnx --domains fog night", 2, "--domains are not for it"),
            (Merge + " --merging second-round", 2, "--merging second-round needs --data"),
            (Merge + " --merging mean --data {f}/data --domains fog night", 2, "looks at no images"),
            (Merge + " --domains fog night", 2, "looks at no images"),
            (Merge + " --draft {f}/a.onnx", 2, "--draft and --moments belong together"),
            (Merge + " --moments {f}/a.onnx", 2, "--draft and --moments belong together"),
            (Merge + " --draft {f}/a.onnx --moments {f}/none.moments", 2, "{f}/none.moments: there is no such file"),
            (Merge + " --draft {f}/a.onnx --moments {f}/text.onnx", 3, "'{f}/text.onnx' holds no moments"),
            (Merge + " --draft {f}/a.onnx --moments {f}/text.onnx --merging mean", 2,
                "--merging, --data and --domains are not"),
            ("measure", 2, "'--network'"),
            ("measure {f}/a.onnx --data {f}/data --domain fog --network {f}/b.onnx --output {f}/new/x.txt", 2,
                "must end in .moments"),
            ("measure {f}/a.onnx --data {f}/data --domain snow --network {f}/b.onnx --output {f}/new/x.moments", 2,
                "snow"),
            ("measure {f}/a.onnx --data {f}/data --domain fog --network {f}/b.onnx --output {f}/new/x.moments", 3,
                "not a merged network"),
            ("distill", 2, "'--network'"),
            ("distill {f}/a.onnx --data {f}/data --domain fog --network {f}/b.onnx --output {f}/new/x.moments", 2,
                "must end in .onnx"),
            ("distill {f}/a.onnx --data {f}/data --domain fog --network {f}/b.onnx --output {f}/b.onnx", 2, "b.onnx"),
            ("distill {f}/a.onnx --data {f}/data --domain fog --network {f}/b.onnx --output {f}/new/x.onnx", 3,
                "not a merged network"),

            ("run", 2, "'--data'"),
            ("run --data {f}/none", 2, "--data {f}/none: there is no such folder"),
            ("run --data {f}/nothing", 3, "'{f}/nothing' holds no domains"),
            ("run --data {f}/one", 3, "one domain"),
            (Run + " --labels none --adapted {f}/ad/{domain}.onnx", 2, "--labels none is for adapting"),
            (Run + " --labels none --validation 0.2", 2, "--validation needs labels"),
            (Run + " --source snow", 2, "--source: there is no domain 'snow'"),
            (Run + " --architecture resnet-14", 2, "--architecture"),
            ("run --data {f}/data --architecture segformer-b0 --output {f}/new/out", 2, "--architecture segformer-b0"),
            ("run --data {f}/data --architecture vgg", 2, "--architecture vgg"),
            (Run + " --epochs 1", 2, "--epochs"),
            (Run + " --rate 0.1", 2, "--rate"),
            (Run + " --head-rate 0.1", 2, "--new-head"),
            ("run --data {f}/data --new-head --output {f}/new/out", 2, "--new-head"),
            ("run --data {f}/data --network resnet18 --normalization imagenet", 2, "--normalization imagenet"),
            (Run + " --adapted {f}/ad/{domain}.onnx", 2, "'{f}/ad/night.onnx'"),
            (Run + " --adapted {f}/a.onnx", 2, "{domain}"),
            (Run + " --adapted {f}/adfive/{domain}.onnx", 3, "adfive/fog.onnx"),
            (Run + " --adapted {f}/adtext/{domain}.onnx", 3, "adtext/fog.onnx"),
            (Run + " --adapted {f}/ad/{domain}.onnx --adaptation-epochs 1", 2, "--adaptation-epochs"),
            (Run + " --adapted", 2, "'--adapted'"),
            (Run + " --stage last", 2, "--stage last"),
            (Run + " --domains snow fog", 2, "'snow'"),
            (Run + " --domains fog", 2, "--domains fog"),
            (Run + " --domains fog fog", 2, "'fog' is given twice"),
            (Run + " --merge fog", 2, "--merge fog"),
            (Run + " --merge fog+snow", 2, "'snow'"),
            (Run + " --merge fog+fog", 2, "named twice"),
            (Run + " --merge fog+", 2, "--merge"),
            (Run + " --bits", 2, "'--bits'"),
            (Run + " --bits 4,4 4,4", 2, "given twice in 4,4 4,4"),
            (Run + " --bits 1,4", 2, "--bits 1,4"),
            (Run + " --methods", 2, "'--methods'"),
            (Run + " --methods rtn rtn", 2, "'rtn' is given twice"),
            (Run + " --methods magic", 2, "--methods magic"),
            (Run + " --average-bits 3.5 3.5", 2, "3.5"),
            (Run + " --average-bits x", 2, "--average-bits x"),
            (Run + " --allocation luck", 2, "--allocation luck"),
            (Run + " --explain 0", 2, "--explain 0"),
            (Run + " --batch-size 0", 2, "--batch-size 0"),
            (Run + " --threads 0", 2, "--threads 0"),
            (Run + " --gpu 99", 2, "--gpu 99"),
            (Run + " --seed 1.5", 2, "--seed 1.5"),
            (Run + " --seed 1 --seed 2", 2, "'--seed'"),
            (Run + " --balance-classes", 2, "--balance-classes"),
            (Run + " rest", 2, "'rest'"),
            ("run --data {f}/data --network {f}/five.onnx --output {f}/new/out", 3, "3 classes"),
            ("run --data {f}/data --network {f}/grey.onnx --output {f}/new/out", 3, "colour images"),
            ("run --data {f}/data --network {f}/text.onnx --output {f}/new/out", 3, "{f}/text.onnx"),
            ("run --data {f}/half --network {f}/network.onnx --output {f}/new/out", 3, "'fog' lacks the class 'bar'"),
            ("run --data {f}/hollow --network {f}/network.onnx --output {f}/new/out", 3, "{f}/hollow/fog/test"),
            ("run --data {f}/broken --network {f}/network.onnx --output {f}/new/out", 3,
                "{f}/broken/fog/train/bar/1.png"),
            ("run --data {f}/data --network {f}/network.onnx --output {f}/file.txt", 2, "is a file, not a folder"),
            ("run --data {f}/data --network {f}/network.onnx --output {f}/file.txt/out", 2, "is a file, not a folder"),
            ("run --data {f}/data --network {f}/network.onnx --output {r}/out", 2, "cannot be written to"),
            ("run --data {f}/data --network {f}/network.onnx --output ''", 2, "--output"),
            ($"run --data {{f}}/data --network {{f}}/network.onnx --output {{f}}/new/{new string('n', 256)}", 2,
                "256 bytes; file systems take at most 255"),
            ($"adapt --data {{f}}/data --domain fog --network {{f}}/network.onnx --output {{f}}/{new string('n', 251)}.onnx", 2,
                "256 bytes; file systems take at most 255"),
            (Run + " --features pool", 2, "--new-head"),
            ("run --data {f}/data --network {f}/network.onnx --new-head --features nose --output {f}/new/out", 3,
                "no value 'nose'"),
            ("evaluate {f}/last.onnx --data {f}/masks", 3, "[N, classes, height, width]"),
            ("evaluate {f}/quarter.onnx --data {f}/masks", 3, "needs one for each pixel"),
            ("evaluate {f}/pixel.onnx --data {f}/data", 3, "export the network with a Flatten at its end"),
            ("run --data {f}/data --network {f}/pixel.onnx --output {f}/new/out", 3, "[N, classes]"),
            ("run --data {f}/masks --network {f}/network.onnx --output {f}/new/out", 3, "for every pixel"),
            ("run --data {f}/maskless --network {f}/seg.onnx --output {f}/new/out", 3, "has no mask"),
            ("run --data {f}/masksize --network {f}/seg.onnx --output {f}/new/out", 3, "its mask"),
            (RunMasks + " --source night", 2, "--source"),

            (Compare + " --seeds", 2, "'--seeds'"),
            (Compare + " --seeds 1 x", 2, "--seeds x"),
            (Compare + " --seeds 1 1", 2, "--seeds"),
            (Compare + " --merging mean mean", 2, "'mean' is given twice"),
            (Compare + " --merging soup", 2, "--merging soup"),
            (Compare + " --methods gptq", 2, "--methods gptq"),
            (Explain + " --explain none", 2, "--explain none"),
            (Explain + " --no-flip=maybe", 2, "maybe"),
        })
        {
            yield return [line, exitCode, part];
        }
    }

    [ClassInitialize]
    public static void Prepare(TestContext context)
    {
        _folder = new TemporaryDirectory();
        string[] domains = ["clear", "fog", "night"];
        string[] classes = ["bar", "dot", "ring"];
        foreach (var name in new[] { "data", "half", "hollow", "broken", "cut" })
            TestImages.WriteClasses(_folder.Combine(name), domains, classes);
        Directory.Delete(_folder.Combine("half", "fog", "train", "bar"), recursive: true);
        Directory.Delete(_folder.Combine("hollow", "fog", "test"), recursive: true);
        File.WriteAllText(_folder.Combine("broken", "fog", "train", "bar", "1.png"), "no image");
        var cut = _folder.Combine("cut", "fog", "train", "dot", "1.png");
        File.WriteAllBytes(cut, File.ReadAllBytes(cut)[..^60]);
        TestImages.WriteClasses(_folder.Combine("one"), ["clear"], classes);
        foreach (var name in new[] { "masks", "maskless", "masksize" })
            TestImages.WriteMasks(_folder.Combine(name), ["day", "dusk", "fog"], ["sky", "road", "car"]);
        File.Delete(_folder.Combine("maskless", "fog", "train", "labels", "1.png"));
        File.Copy(_folder.Combine("data", "fog", "train", "bar", "0.png"),
            _folder.Combine("masksize", "fog", "train", "labels", "1.png"), overwrite: true);
        foreach (var name in new[] { "nothing", "folder.onnx", "ad", "adfive", "adtext", "flat" })
            Directory.CreateDirectory(_folder.Combine(name));
        File.Copy(_folder.Combine("data", "fog", "train", "bar", "0.png"), _folder.Combine("flat", "0.png"));
        File.Copy(_folder.Combine("data", "fog", "train", "bar", "0.png"), _folder.Combine("image.png"));

        foreach (var (name, seed) in new[] { ("network.onnx", 1), ("a.onnx", 2), ("b.onnx", 3), ("ad/fog.onnx", 4) })
            TestNetworks.WriteClassifier(_folder.Combine(name), seed: seed);
        TestNetworks.WriteClassifier(_folder.Combine("five.onnx"), classes: 5);
        TestNetworks.WriteClassifier(_folder.Combine("wide.onnx"), width: 8);
        TestNetworks.WriteSegmenter(_folder.Combine("seg.onnx"));
        TestNetworks.WriteConvolution(_folder.Combine("grey.onnx"), channels: 1);
        TestNetworks.WriteConvolution(_folder.Combine("grey2.onnx"), channels: 1);
        TestNetworks.WriteConvolution(_folder.Combine("any1.onnx"), size: -1);
        TestNetworks.WriteConvolution(_folder.Combine("any2.onnx"), size: -1);
        TestNetworks.WriteConvolution(_folder.Combine("rank3.onnx"), rank: 3);
        TestNetworks.WriteConvolution(_folder.Combine("pixel.onnx"), rank: 4);
        TestNetworks.WritePlaces(_folder.Combine("last.onnx"), stride: 1, classesLast: true);
        TestNetworks.WritePlaces(_folder.Combine("quarter.onnx"), stride: 4, classesLast: false);
        foreach (var domain in new[] { "fog", "night" })
        {
            File.Copy(_folder.Combine("five.onnx"), _folder.Combine("adfive", $"{domain}.onnx"));
            File.WriteAllText(_folder.Combine("adtext", $"{domain}.onnx"), "no network");
        }
        CommandLine.Run("quantize", "--data", _folder.Combine("data"), "--domain", "fog", "--network",
            _folder.Combine("network.onnx"), "--method", "rtn", "--output", _folder.Combine("quantized.onnx")).Done();
        File.WriteAllText(_folder.Combine("text.onnx"), "no network");
        File.WriteAllText(_folder.Combine("text.zip"), "PK, and no zip file");
        File.WriteAllBytes(_folder.Combine("empty.onnx"), []);
        File.WriteAllBytes(_folder.Combine("cut.onnx"), File.ReadAllBytes(_folder.Combine("network.onnx"))[..2000]);
        File.WriteAllText(_folder.Combine("file.txt"), "no folder");
        File.WriteAllText(_folder.Combine("classes.txt"), "bar\ndot\nring\nstar\n");
        using (var zip = ZipFile.Open(_folder.Combine("plain.zip"), ZipArchiveMode.Create))
            zip.CreateEntryFromFile(_folder.Combine("file.txt"), "file.txt");
    }

    [ClassCleanup]
    public static void CleanUp() => _folder.Dispose();

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Is_refused_in_a_sentence_before_any_work(string line, int exitCode, string part)
    {
        var (before, readOnly) = (Contents(), ReadOnlyFolder());
        var outcome =
            CommandLine.Run([.. line.Split(' ', StringSplitOptions.RemoveEmptyEntries)
            .Select(word => word == "''" ? "" : Here(word))]);

        Assert.AreEqual(exitCode, outcome.ExitCode, outcome.Error);
        StringAssert.EndsWith(outcome.Error, "\n");
        var sentence = outcome.Error.TrimEnd('\n');
        Assert.DoesNotContain("\n", sentence);
        StringAssert.Contains(sentence, Here(part));
        StringAssert.EndsWith(sentence, ".");
        Assert.IsLessThan(400, sentence.Replace(_folder.Path, "", StringComparison.Ordinal).Length, sentence);
        Assert.IsFalse(NotForUsers().IsMatch(sentence), sentence);
        Assert.AreEqual("", outcome.Out);
        Assert.AreEqual(before, Contents());

        string Here(string text) => text.Replace("{f}", _folder.Path, StringComparison.Ordinal)
            .Replace("{r}", readOnly, StringComparison.Ordinal);
    }

    /// <summary>By way of a link the file that is read would be replaced by the one that is written.</summary>
    [TestMethod]
    [DataRow("quantize --data {f}/data --domain fog --network {f}/network.onnx --output {f}/link/network.onnx")]
    [DataRow("adapt --data {f}/data --domain fog --network {f}/link/network.onnx --output {f}/network.onnx")]
    [DataRow("merge {f}/network.onnx {f}/five.onnx --output {f}/link/five.onnx")]
    public void Links_do_not_hide_that_a_file_is_read(string line)
    {
        if (OperatingSystem.IsWindows())
            Assert.Inconclusive("Links take rights on Windows.");
        Directory.CreateSymbolicLink(_folder.Combine("link"), _folder.Path);
        try
        {
            var outcome = CommandLine.Run(line.Replace("{f}", _folder.Path, StringComparison.Ordinal).Split(' '));
            Assert.AreEqual(2, outcome.ExitCode, outcome.Error);
            StringAssert.Contains(outcome.Error, "that file is read too; give another name.");
        }
        finally
        {
            Directory.Delete(_folder.Combine("link"));
        }
    }

    [TestMethod]
    public void A_folder_that_may_not_be_read_is_named()
    {
        if (OperatingSystem.IsWindows())
            return;
        if (Environment.IsPrivilegedProcess)
            Assert.Inconclusive("Who runs this may read everything.");
        var folder = _folder.Combine("secret", "fog", "train", "bar");
        TestImages.WriteClasses(_folder.Combine("secret"), ["clear", "fog", "night"], ["bar", "dot", "ring"]);
        var mode = File.GetUnixFileMode(folder);
        File.SetUnixFileMode(folder, UnixFileMode.None);
        try
        {
            Is_refused_in_a_sentence_before_any_work("run --data {f}/secret --output {f}/new/out", 3, folder);
        }
        finally
        {
            File.SetUnixFileMode(folder, mode);
        }
    }

    /// <summary>All files, with what would change if they were written.</summary>
    private static string Contents()
    {
        var all = new EnumerationOptions
        {
            RecurseSubdirectories = true,
            AttributesToSkip = FileAttributes.None,
            IgnoreInaccessible = true,
        };
        return string.Join('\n', new DirectoryInfo(_folder.Path).EnumerateFileSystemInfos("*", all)
            .Select(entry => $"{entry.FullName} {(entry as FileInfo)?.Length} {(entry as FileInfo)?.LastWriteTimeUtc:O}")
            .Order(StringComparer.Ordinal));
    }

    /// <summary>
    /// A folder that cannot be written to; for an administrator, who may write everywhere, one of the system's own.
    /// </summary>
    private static string ReadOnlyFolder()
    {
        if (Environment.IsPrivilegedProcess && Directory.Exists("/proc"))
            return "/proc";
        var folder = _folder.Combine("nothing");
        if (OperatingSystem.IsWindows() || Environment.IsPrivilegedProcess)
            Assert.Inconclusive("There is no folder here that cannot be written to.");
        else
            File.SetUnixFileMode(folder, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        return folder;
    }

    [GeneratedRegex(@"System\.|Microsoft\.|Exception|\(Parameter '|   at |Usage:|\bnull\b")]
    private static partial Regex NotForUsers();
}
