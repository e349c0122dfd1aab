namespace Microsoft.ML.Hdrq.Tests.Pipeline;

/// <summary>What is left in the folder of temporary files.</summary>
[TestClass]
public sealed class TemporaryFilesTests
{
    [TestMethod]
    public void Saving_a_model_a_hundred_times_leaves_no_file()
    {
        using var folder = new TemporaryDirectory();
        var temporary = Directory.CreateDirectory(folder.Combine("temporary")).FullName;
        var variable = OperatingSystem.IsWindows() ? "TMP" : "TMPDIR";
        var before = Environment.GetEnvironmentVariable(variable);
        Environment.SetEnvironmentVariable(variable, temporary);
        try
        {
            var ml = new MLContext(1);
            using var network = TestNetworks.Classifier();
            var data = Images.View(ml, Images.Rows(2));
            using var transformer = ml.Transforms.ApplyNetwork("Score", "Pixels", network).Fit(data);
            // As a process leaves it that is killed while it saves.
            Directory.CreateDirectory(Path.Combine(temporary, "hdrq-killed"));
            File.WriteAllText(Path.Combine(temporary, "hdrq-killed", "model.onnx"), "");
            File.WriteAllText(Path.Combine(temporary, "hdrq-killed.lock"), "");
            for (var i = 0; i < 100; i++)
                ml.Model.Save(transformer, data.Schema, folder.Combine("model.zip"));
            transformer.SaveOnnx(folder.Combine("model.onnx"));
        }
        finally
        {
            Environment.SetEnvironmentVariable(variable, before);
        }
        Assert.IsEmpty(Directory.GetFileSystemEntries(temporary, "*", SearchOption.AllDirectories));
    }
}
