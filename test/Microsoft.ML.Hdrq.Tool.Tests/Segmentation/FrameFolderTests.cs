using Microsoft.ML.Hdrq.Tool.Data;
using Microsoft.ML.Hdrq.Tool.Segmentation;
using Microsoft.ML.Hdrq.Tool.Segmentation.Sheets;

namespace Microsoft.ML.Hdrq.Tool.Tests.Segmentation;

[TestClass]
public sealed class FrameFolderTests
{
    [TestMethod]
    public void Frames_are_images_with_their_masks_in_order_of_their_names()
    {
        using var folder = new TemporaryDirectory();
        foreach (var name in new[] { "b", "a", "c" })
            Add(folder, "dusk", "train", name);
        Add(folder, "dusk", "test", "t");
        File.WriteAllText(folder.Combine("dusk", "train", "images", "notes.txt"), "mine");
        Directory.CreateDirectory(folder.Combine("results"));

        var read = Open(folder.Path);
        CollectionAssert.AreEqual(new[] { "dusk" }, read.Domains.ToArray());
        CollectionAssert.AreEqual(
            new[] { "a", "b", "c" }.Select(
                name => new Frame(folder.Combine("dusk", "train", "images", $"{name}.png"),
                    folder.Combine("dusk", "train", "labels", $"{name}.png"))).ToArray(),
            read.Frames("dusk", DataSplit.Train).ToArray());
        Assert.AreEqual((3, 5), PixelPipeline.ImageSize(read.FirstImage));
    }

    [TestMethod]
    public void The_source_domain_comes_first()
    {
        using var folder = new TemporaryDirectory();
        foreach (var domain in new[] { "autumn", "day", "dusk" })
            AddBoth(folder, domain);
        CollectionAssert.AreEqual(new[] { "day", "autumn", "dusk" }, Open(folder.Path).Domains.ToArray());
    }

    [TestMethod]
    public void Classes_are_those_of_the_list_or_are_assumed_with_a_warning()
    {
        using var folder = new TemporaryDirectory();
        AddBoth(folder, "day");
        var warnings = new List<string>();
        Assert.HasCount(11, Open(folder.Path, null, warnings).Classes);
        Assert.AreEqual(
            $"'{folder.Path}' has no classes.txt with the name of a class in each line: 0 to 10 in masks are taken to be "
            + "CamVid's classes, sky to bicyclist; other numbers do not count.", warnings.Single());
        CollectionAssert.AreEqual(
            new[] { "class 0", "class 1", "class 2" }, Open(folder.Path, 3, warnings).Classes.ToArray());
        Assert.Contains(" 0 to 2 in masks are taken to be the network's, class 0 to class 2;", warnings[1]);
        File.WriteAllText(folder.Combine("classes.txt"), "road\n\n  not road \n");
        CollectionAssert.AreEqual(new[] { "road", "not road" }, Open(folder.Path, 3, warnings).Classes.ToArray());
        Assert.HasCount(2, warnings);
        File.WriteAllText(folder.Combine("classes.txt"), "road\nsky\nroad\n");
        Throws(folder, "names the class 'road' twice");
        File.WriteAllText(folder.Combine("classes.txt"), "\n");
        Throws(folder, "names 0 classes; it takes 1 to 255");
    }

    [TestMethod]
    public void An_image_without_a_mask_and_a_mask_without_an_image_are_named()
    {
        using var folder = new TemporaryDirectory();
        AddBoth(folder, "day");
        var (image, mask) = (folder.Combine("day", "test", "images", "0.png"),
            folder.Combine("day", "test", "labels", "0.png"));
        File.Move(mask, folder.Combine("day", "test", "labels", "1.png"));
        Throws(folder, $"'{image}' has no mask: there is no file '{mask}'.");
        Add(folder, "day", "test", "0");
        Throws(
            folder,
            $"'{folder.Combine("day", "test", "labels", "1.png")}' has no image in '{folder.Combine("day", "test", "images")}'.");
    }

    [TestMethod]
    public void A_mask_of_another_size_is_named()
    {
        using var folder = new TemporaryDirectory();
        AddBoth(folder, "day");
        var image = folder.Combine("day", "train", "images", "0.png");
        File.WriteAllBytes(folder.Combine("day", "train", "labels", "0.png"), Png.EncodeGrey(new byte[12], 4, 3));
        Throws(folder, $"'{image}' is 5 x 3 pixels, its mask 4 x 3.");
    }

    [TestMethod]
    public void An_empty_split_a_file_that_is_no_image_and_a_folder_without_domains_are_named()
    {
        using var folder = new TemporaryDirectory();
        Throws(
            folder,
            "holds no domains; expected <domain>/<train|test>/<class>/<image>, or <domain>/<train|test>/<images|labels>/<frame>.");
        Add(folder, "day", "train", "0");
        Throws(folder, $"'{folder.Combine("day", "test", "images")}' holds no images");
        Add(folder, "day", "test", "0");
        File.WriteAllText(folder.Combine("day", "test", "images", "0.png"), "text");
        Throws(folder, $"'{folder.Combine("day", "test", "images", "0.png")}' is not an image that can be read.");
        Assert.ThrowsExactly<DirectoryNotFoundException>(() => Open(folder.Combine("missing")));
    }

    /// <summary>The real data have the documented counts.</summary>
    [TestMethod]
    public void CamVid_is_read()
    {
        var read = Open(SharedData.Require("data/camvid"));
        Assert.AreEqual((180, 240), PixelPipeline.ImageSize(read.FirstImage));
        CollectionAssert.AreEqual(
            new[] { 406, 171, 62, 62 },
            new[] { "day", "dusk" }.SelectMany(
                domain => DataSplits.All.Select(split => read.Frames(domain, split).Count)).ToArray());
    }

    private static FrameFolder Open(string folder, int? classCount = null, List<string>? warnings = null) =>
        new(DomainLayout.Find(folder), null, classCount, warnings is null ? null : warnings.Add);

    private static void Throws(TemporaryDirectory folder, string message) =>
        Assert.Contains(message, Assert.ThrowsExactly<InvalidDataException>(() => Open(folder.Path)).Message);

    private static void AddBoth(TemporaryDirectory folder, string domain)
    {
        Add(folder, domain, "train", "0");
        Add(folder, domain, "test", "0");
    }

    private static void Add(TemporaryDirectory folder, string domain, string split, string name)
    {
        foreach (var kind in new[] { "images", "labels" })
        {
            Directory.CreateDirectory(folder.Combine(domain, split, kind));
            File.WriteAllBytes(folder.Combine(domain, split, kind, $"{name}.png"),
                kind == "images" ? Png.EncodeRgb(new byte[45], 5, 3) : Png.EncodeGrey(new byte[15], 5, 3));
        }
    }
}
