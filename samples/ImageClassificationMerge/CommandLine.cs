using System.CommandLine;
using Hdrq.Samples;
using Hdrq.Samples.Comparison;

namespace ImageClassificationMerge;

/// <summary>The sample's command line.</summary>
internal static class CommandLine
{
    public static RootCommand Create() => new SampleCommand
    {
        Description = "Serves many domains with one small network: adapts a source network to each domain, quantizes each with HDRQ on its own images, merges the quantized networks, and measures all of them.",
        Data = "Folder of images: <domain>/<train|test>/<class>/<image>, the source domain being clean, clear, or the first by name, or that of --source. Without it the sample draws traffic signs.",
        WithoutNetwork = "Without it the sample trains a ResNet-14 on the source domain.",
        Architectures = ImageNetworks.Architectures,
        Methods = MethodChoice.Named("rtn", "hdrq"),
        Bits = [(4, 4)],
        Drawn = "the sample's own traffic signs",
        DrawnIterations = 300,
        Create = (options, console) => new Sample(options, console),
    }.ToCommand();
}
