using Microsoft.ML.Hdrq.Tool.Data;
using Microsoft.ML.Hdrq.Tool.Terminal;

namespace Microsoft.ML.Hdrq.Tool.Tests.Data;

[TestClass]
public sealed class DomainLayoutTests
{
    [TestMethod]
    public void A_place_without_labels_is_a_folder_of_images()
    {
        using var folder = new TemporaryDirectory();
        TestImages.WriteClasses(folder.Combine("images"), ["fog"], ["bar"]);
        Directory.CreateDirectory(folder.Combine("images", "night", "monday"));
        var image = folder.Combine("images", "night", "monday", "a.png");
        File.Copy(folder.Combine("images", "fog", "train", "bar", "0.png"), image);

        CollectionAssert.AreEqual(
            new[] { image }, DomainLayout.UnlabelledImages(folder.Combine("images"), "night").ToArray());
        Assert.HasCount(2, DomainLayout.UnlabelledImages(folder.Combine("images"), "fog"));
        var error = Assert.ThrowsExactly<UsageException>(
            () => DomainLayout.UnlabelledImages(folder.Combine("images"), "snow"));
        StringAssert.Contains(error.Message, "--domain: there is no domain 'snow'");
        StringAssert.Contains(error.Message, "there are fog, night.");
    }

    /// <summary>A place whose images have no labels may have some with labels to test on.</summary>
    [TestMethod]
    public void Images_to_test_on_are_not_among_those_without_labels()
    {
        using var folder = new TemporaryDirectory();
        TestImages.WriteClasses(folder.Combine("images"), ["fog"], ["bar"]);
        Directory.CreateDirectory(folder.Combine("images", "fog", "monday"));
        var image = folder.Combine("images", "fog", "monday", "a.png");
        File.Move(folder.Combine("images", "fog", "train", "bar", "0.png"), image);
        Directory.Delete(folder.Combine("images", "fog", "train"), recursive: true);

        foreach (var (asked, domain) in new[] { ("images", "fog"), ("images", null), ("images/fog", null) })
        {
            CollectionAssert.AreEqual(
                new[] { image }, DomainLayout.UnlabelledImages(folder.Combine(asked), domain).ToArray());
        }
        File.Delete(image);
        var error = Assert.ThrowsExactly<InvalidDataException>(
            () => DomainLayout.UnlabelledImages(folder.Combine("images"), "fog"));
        StringAssert.Contains(error.Message, "fog' holds no images");
    }

    /// <summary>Folders may be linked, also to one that holds the link, which has no end.</summary>
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Images_are_found_once_where_a_folder_links_to_itself(bool isLink)
    {
        if (OperatingSystem.IsWindows())
            Assert.Inconclusive("Links take rights on Windows.");
        using var folder = new TemporaryDirectory();
        TestImages.WriteClasses(folder.Combine("images"), ["fog"], ["bar", "dot"]);
        var train = folder.Combine("images", "fog", "train");
        Directory.CreateSymbolicLink(folder.Combine("elsewhere"), folder.Combine("images", "fog", "test"));
        Directory.CreateSymbolicLink(Path.Combine(train, "itself"), ".");
        Directory.CreateSymbolicLink(Path.Combine(train, "bar", "all"), folder.Combine("images"));
        Directory.CreateSymbolicLink(Path.Combine(train, "more"), folder.Combine("elsewhere"));
        Directory.CreateSymbolicLink(folder.Combine("link"), train);
        var asked = isLink ? folder.Combine("link") : train;

        var found = DomainLayout.UnlabelledImages(asked, domain: null);
        string[] expected = ["bar/0.png", "bar/1.png", "dot/0.png", "dot/1.png",
            "more/bar/0.png", "more/bar/1.png", "more/dot/0.png", "more/dot/1.png"];
        CollectionAssert.AreEqual(expected, found.Select(path => Path.GetRelativePath(asked, path)).ToArray());
    }
}
