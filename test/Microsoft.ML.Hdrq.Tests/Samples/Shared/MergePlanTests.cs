using Hdrq.Samples;

namespace Microsoft.ML.Hdrq.Tests.Samples.Shared;

[TestClass]
public sealed class MergePlanTests
{
    [TestMethod]
    public void All_domains_but_the_source_are_served_and_both_of_two()
    {
        CollectionAssert.AreEqual(new[] { "fog", "night" }, MergePlan.Targets(["day", "fog", "night"], wanted: null).ToArray());
        CollectionAssert.AreEqual(new[] { "day", "dusk" }, MergePlan.Targets(["day", "dusk"], wanted: null).ToArray());
        CollectionAssert.AreEqual(new[] { "dusk" }, MergePlan.Targets(["day", "dusk"], ["dusk"]).ToArray());
        Assert.IsEmpty(MergePlan.Targets(["day"], wanted: null));
    }

    [TestMethod]
    public void A_group_is_merged_once_however_often_it_is_asked_for()
    {
        var groups = MergePlan.Groups(["fog", "night"], ["pairs", "all", "night+fog"]);
        CollectionAssert.AreEqual(new[] { "fog", "night" }, groups.Single().ToArray());
    }
}
