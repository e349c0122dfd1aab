using Microsoft.ML.Hdrq.Tool.Jobs;

namespace Microsoft.ML.Hdrq.Tool.Tests.Jobs;

[TestClass]
public sealed class MergePlanTests
{
    [TestMethod]
    public void All_domains_but_the_source_are_served_and_both_of_two()
    {
        CollectionAssert.AreEqual(new[] { "fog", "night" }, Targets(["day", "fog", "night"], wanted: null).ToArray());
        CollectionAssert.AreEqual(new[] { "day", "dusk" }, Targets(["day", "dusk"], wanted: null).ToArray());
        CollectionAssert.AreEqual(new[] { "dusk" }, Targets(["day", "dusk"], ["dusk"]).ToArray());
        Assert.IsEmpty(MergePlan.Of(["day"], null, ["pairs", "all"]).Groups);
    }

    [TestMethod]
    public void A_group_is_merged_once_however_often_it_is_asked_for()
    {
        var groups = MergePlan.Of(["fog", "night"], null, ["pairs", "all", "night+fog"]).Groups;
        CollectionAssert.AreEqual(new[] { "fog", "night" }, groups.Single().ToArray());
    }

    private static IReadOnlyList<string> Targets(string[] domains, string[]? wanted) => MergePlan.Of(domains, wanted, ["all"]).Targets;
}
