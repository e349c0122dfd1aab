using Microsoft.ML.Hdrq.Pipeline;
using Microsoft.ML.Runtime;

namespace Microsoft.ML.Hdrq.Tests.Pipeline;

/// <summary>These fail when ML.NET moves what the library reads of its internals.</summary>
[TestClass]
public sealed class CatalogEnvironmentTests
{
    [TestMethod]
    public void AMessageOfTheEnvironmentReachesTheContext()
    {
        var ml = new MLContext(1);
        var messages = new List<string>();
        ml.Log += (_, e) => messages.Add(e.Message);
        var environment = CatalogEnvironment.Of(ml.Transforms);
        using (var channel = environment.Register("Test").Start("Test"))
            channel.Info(MessageSensitivity.None, "hello");
        Assert.IsTrue(messages.Any(message => message.Contains("hello")));
    }

    [TestMethod]
    public void TheDeviceIsTheContexts()
    {
        var ml = new MLContext(1) { FallbackToCpu = true };
        var environment = CatalogEnvironment.Of(ml.Transforms);
        foreach (var seen in new IHostEnvironment[] { environment, ml })
        {
            (ml.GpuDeviceId, ml.FallbackToCpu) = (null, true);
            Assert.IsNull(CatalogEnvironment.GpuDeviceId(seen));
            Assert.IsTrue(CatalogEnvironment.FallbackToCpu(seen));
            (ml.GpuDeviceId, ml.FallbackToCpu) = (7, false);
            Assert.AreEqual(7, CatalogEnvironment.GpuDeviceId(seen));
            Assert.IsFalse(CatalogEnvironment.FallbackToCpu(seen));
        }
    }

    [TestMethod]
    public void OptionsComeBeforeTheContext()
    {
        // A GPU of this number is in no machine.
        var ml = new MLContext(1) { GpuDeviceId = 1000, FallbackToCpu = false };
        using var network = TestNetworks.Classifier();
        var data = Images.View(ml, Images.Rows(1));
        Assert.Contains("1000", Assert.ThrowsExactly<InvalidOperationException>(
            () => ml.Transforms.ApplyNetwork("Score", "Pixels", network).Fit(data)).Message);
        using var transformer = ml.Transforms.ApplyNetwork("Score", "Pixels", network, new() { FallbackToCpu = true })
            .Fit(data);
        Assert.AreEqual(TorchSharp.DeviceType.CPU, transformer.Network.Device.type);
        ml.GpuDeviceId = null;
        Assert.Contains("999", Assert.ThrowsExactly<InvalidOperationException>(
            () => ml.Transforms.ApplyNetwork("Score", "Pixels", network, new() { GpuDeviceId = 999 })
            .Fit(data)).Message);
    }
}
