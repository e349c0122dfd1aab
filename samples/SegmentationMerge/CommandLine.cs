using System.CommandLine;
using Hdrq.Samples;
using Hdrq.Samples.Comparison;

namespace SegmentationMerge;

/// <summary>The sample's command line.</summary>
internal static class CommandLine
{
    public static RootCommand Create() => new SampleCommand
    {
        Description = "Serves many domains with one small segmentation network: adapts a source network to each domain, quantizes each by several methods on its own images, merges the quantized networks, and measures all of them.",
        Data = "Folder of images and masks: <domain>/<train|test>/<images|labels>/<frame>, the source domain being clean, clear, day, or the first by name, or that of --source, with the names of the classes in classes.txt (without it: CamVid's). Without it the sample draws streets.",
        WithoutNetwork = "Without it the sample trains a small DeepLab on the source domain.",
        Architectures = SegmentationNetworks.Architectures,
        Methods = MethodChoice.Named("rtn", "qdrop", "hdrq"),
        Bits = [(8, 8), (4, 4)],
        Drawn = "the sample's own streets",
        DrawnIterations = 50,
        // A step learns from hundreds of places in an image, where one that is to be classified has few.
        Settings = defaults => defaults with { Training = defaults.Training with { Iterations = 100 } },
        Create = (options, console) => new Sample(options, console),
    }.ToCommand();
}
