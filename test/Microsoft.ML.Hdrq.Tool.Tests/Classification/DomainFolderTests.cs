using Microsoft.ML.Hdrq.Tool.Classification;
using Microsoft.ML.Hdrq.Tool.Data;
using Microsoft.ML.Hdrq.Tool.Terminal;

namespace Microsoft.ML.Hdrq.Tool.Tests.Classification;

[TestClass]
public sealed class DomainFolderTests
{
    [TestMethod]
    [DataRow("clean")]
    [DataRow("clear")]
    [DataRow("Clear")]
    public void The_source_domain_comes_first_and_the_others_in_order(string source)
    {
        using var folder = new TemporaryDirectory();
        foreach (var domain in new[] { "night", "Zoo", source, "autumn" })
            AddBoth(folder, domain, "cat", "Dog");
        Directory.CreateDirectory(folder.Combine("results"));
        AddBoth(folder, ".cache", "bird");

        var data = Open(folder.Path);
        Assert.AreEqual(folder.Path, DomainLayout.Find(folder.Path).Root);
        CollectionAssert.AreEqual(new[] { source, "Zoo", "autumn", "night" }, data.Domains.ToArray());
        CollectionAssert.AreEqual(new[] { "Dog", "cat" }, data.Classes.ToArray());
    }

    [TestMethod]
    public void The_source_domain_can_be_named()
    {
        using var folder = new TemporaryDirectory();
        foreach (var domain in new[] { "clean", "art", "photo" })
            AddBoth(folder, domain, "cat");
        CollectionAssert.AreEqual(new[] { "photo", "art", "clean" }, Open(folder.Path, "photo").Domains.ToArray());
        Assert.AreEqual($"--source: there is no domain 'Photo' in '{folder.Path}'; there are art, clean, photo.",
            Assert.ThrowsExactly<UsageException>(() => Open(folder.Path, "Photo")).Message);
    }

    [TestMethod]
    public void Files_are_the_images_with_their_class()
    {
        using var folder = new TemporaryDirectory();
        foreach (var name in new[] { "b.png", "a.JPG", "c.jpeg", "d.bmp", "notes.txt", ".hidden.png" })
            Add(folder, "fog", "train", "dog", name);
        Add(folder, "fog", "train", "cat", "z.png");
        Add(folder, "fog", "test", "dog", "t.png");
        Directory.CreateDirectory(folder.Combine("fog", "test", "cat"));

        var data = Open(folder.Path);
        CollectionAssert.AreEqual(
            new[]
            {
                new LabeledFile(folder.Combine("fog", "train", "cat", "z.png"), 0),
                new LabeledFile(folder.Combine("fog", "train", "dog", "a.JPG"), 1),
                new LabeledFile(folder.Combine("fog", "train", "dog", "b.png"), 1),
                new LabeledFile(folder.Combine("fog", "train", "dog", "c.jpeg"), 1),
                new LabeledFile(folder.Combine("fog", "train", "dog", "d.bmp"), 1),
            },
            data.Files("fog", DataSplit.Train).ToArray());
        CollectionAssert.AreEqual(
            new[] { new LabeledFile(folder.Combine("fog", "test", "dog", "t.png"), 1) },
            data.Files("fog", DataSplit.Test).ToArray());
    }

    [TestMethod]
    public void An_unknown_domain_is_named_with_the_known_ones()
    {
        using var folder = new TemporaryDirectory();
        AddBoth(folder, "fog", "cat");
        var data = Open(folder.Path);
        var error = Assert.ThrowsExactly<ArgumentException>(() => data.Files("snow", DataSplit.Test));
        Assert.Contains("'snow'; it has fog", error.Message);
    }

    [TestMethod]
    public void A_missing_folder_is_named()
    {
        using var folder = new TemporaryDirectory();
        var error = Assert.ThrowsExactly<DirectoryNotFoundException>(() => Open(folder.Combine("missing")));
        Assert.Contains(folder.Path, error.Message);
    }

    [TestMethod]
    public void A_folder_without_domains_is_named()
    {
        using var folder = new TemporaryDirectory();
        Directory.CreateDirectory(folder.Combine("cat"));
        Throws(folder, $"'{folder.Path}' holds no domains");
    }

    [TestMethod]
    [DataRow("train")]
    [DataRow("test")]
    public void An_empty_or_missing_split_is_named(string split)
    {
        using var folder = new TemporaryDirectory();
        AddBoth(folder, "clean", "cat");
        Add(folder, "fog", split == "train" ? "test" : "train", "cat", "0.png");
        var path = folder.Combine("fog", split);
        Throws(folder, $"'{path}' holds no images");

        Directory.CreateDirectory(folder.Combine("fog", split, "cat"));
        File.WriteAllText(folder.Combine("fog", split, "cat", "notes.txt"), "");
        Throws(folder, $"'{path}' holds no images");

        Add(folder, "fog", split, "cat", "0.png");
        Assert.HasCount(2, Open(folder.Path).Domains);
    }

    [TestMethod]
    public void A_missing_class_is_named_with_its_domain()
    {
        using var folder = new TemporaryDirectory();
        AddBoth(folder, "clean", "cat", "dog");
        AddBoth(folder, "fog", "dog");
        Throws(folder, "Domain 'fog' lacks the class 'cat'");
    }

    [TestMethod]
    public void A_class_missing_in_one_split_is_named()
    {
        using var folder = new TemporaryDirectory();
        AddBoth(folder, "clean", "cat", "dog");
        Directory.Delete(folder.Combine("clean", "test", "dog"), recursive: true);
        Throws(folder, "Domain 'clean' lacks the class 'dog'");
    }

    [TestMethod]
    public void A_class_too_many_is_named_with_its_domain()
    {
        using var folder = new TemporaryDirectory();
        AddBoth(folder, "clean", "cat");
        AddBoth(folder, "fog", "cat", "dog");
        Throws(folder, "Domain 'fog' has a class 'dog'");
    }

    private static DomainFolder Open(string folder, string? source = null) => new(DomainLayout.Find(folder, source));

    private static void Throws(TemporaryDirectory folder, string part) =>
        Assert.Contains(part, Assert.ThrowsExactly<InvalidDataException>(() => Open(folder.Path)).Message);

    private static void AddBoth(TemporaryDirectory folder, string domain, params string[] classes)
    {
        foreach (var name in classes)
        {
            Add(folder, domain, "train", name, "0.png");
            Add(folder, domain, "test", name, "0.png");
        }
    }

    private static void Add(TemporaryDirectory folder, string domain, string split, string name, string file)
    {
        // Only names count here; nothing decodes the files.
        Directory.CreateDirectory(folder.Combine(domain, split, name));
        File.WriteAllBytes(folder.Combine(domain, split, name, file), []);
    }
}
