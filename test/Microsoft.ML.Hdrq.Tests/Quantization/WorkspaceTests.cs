using Microsoft.ML.Hdrq.Quantization;
using TorchSharp;

namespace Microsoft.ML.Hdrq.Tests.Quantization;

[TestClass]
public sealed class WorkspaceTests
{
    [TestMethod]
    public void EveryStepIsGivenTheSameMemoryAndEveryTensorOfAStepItsOwn()
    {
        LiveTensors.AssertUnchanged(() =>
        {
            using var scope = torch.NewDisposeScope();
            using var workspace = new Workspace();
            workspace.Rent([2, 3]).fill_(1);
            workspace.Rent([4]).fill_(2);
            workspace.Reset();
            Golden.AssertClose([1, 1, 1, 1, 1, 1], workspace.Rent([2, 3]));
            Golden.AssertClose([2, 2, 2, 2], workspace.Rent([4]));
        });
    }

    [TestMethod]
    public void AnotherShapeGetsOtherMemory()
    {
        using var scope = torch.NewDisposeScope();
        using var workspace = new Workspace();
        var first = workspace.Rent([3]).fill_(1);
        workspace.Reset();
        var second = workspace.Rent([5]).fill_(2);
        CollectionAssert.AreEqual(new long[] { 5 }, second.shape);
        Golden.AssertClose([1, 1, 1], first);
    }

    [TestMethod]
    public void ATensorOutlivesTheWorkspace()
    {
        using var scope = torch.NewDisposeScope();
        torch.Tensor tensor;
        using (var workspace = new Workspace())
            tensor = workspace.Rent([3]).fill_(7);
        Golden.AssertClose([7, 7, 7], tensor);
    }
}
