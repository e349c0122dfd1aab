using System.Collections.Immutable;
using Microsoft.ML.Hdrq.Networks;
using Microsoft.ML.Hdrq.Networks.Operators;

namespace Microsoft.ML.Hdrq.Tests.Networks;

[TestClass]
public class OperatorAttributesTests
{
    [TestMethod]
    public void EqualityIsByContent()
    {
        OperatorAttributes Make(int axis = 1, long last = 3, float number = 0.5f, string text = "t", float value = 1) =>
            new(("axis", axis), ("list", new[] { 1L, 2, last }), ("number", number), ("text", text),
                ("floats", new[] { 1f, float.NaN }), ("tensor", TensorData.Of([value], 1)),
                ("texts", new[] { "a", "b" }));
        Assert.AreEqual(Make(), Make());
        Assert.AreEqual(Make().GetHashCode(), Make().GetHashCode());
        foreach (var other in new[] { Make(axis: 2), Make(last: 4), Make(number: 1), Make(text: "u"), Make(value: 2),
            Make().With("more", 1), Make().Without("axis") })
            Assert.AreNotEqual(Make(), other);
        Assert.AreEqual(new OperatorAttributes(("a", 1), ("b", 2)), new OperatorAttributes(("b", 2L), ("a", 1L)));
        // A number and a list of one are not the same attribute, nor are 1 and 1.0.
        Assert.AreNotEqual(new OperatorAttributes(("a", 1)), new OperatorAttributes(("a", new[] { 1L })));
        Assert.AreNotEqual(new OperatorAttributes(("a", 1)), new OperatorAttributes(("a", 1f)));
    }

    [TestMethod]
    public void AbsentAttributesHaveTheirDefault()
    {
        Assert.AreEqual(7, OperatorAttributes.None.Integer("a", 7));
        Assert.AreEqual(0.5f, OperatorAttributes.None.Float("a", 0.5f));
        Assert.AreEqual("d", OperatorAttributes.None.Text("a", "d"));
        Assert.IsTrue(OperatorAttributes.None.Integers("a").IsDefault);
        Assert.IsNull(OperatorAttributes.None.Tensor("a"));
    }

    [TestMethod]
    public void AWrongTypeIsNamed()
    {
        var attributes = new OperatorAttributes(("a", 1), ("empty", ImmutableArray<float>.Empty));
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => attributes.Text("a", "")).Message, "'a'");
        Assert.ThrowsExactly<InvalidDataException>(() => attributes.Float("a", 0));
        Assert.ThrowsExactly<InvalidDataException>(() => attributes.Integers("a"));
        Assert.ThrowsExactly<InvalidDataException>(() => attributes.Tensor("a"));
        Assert.IsTrue(attributes.Integers("empty").IsEmpty);
        Assert.ThrowsExactly<ArgumentException>(() => new OperatorAttributes(("a", 1.5)));
        Assert.ThrowsExactly<ArgumentException>(() => new OperatorAttributes(("a", 1), ("a", 2)));
    }

    [TestMethod]
    public void ListsAreCopied()
    {
        var list = new[] { 1L, 2 };
        var attributes = new OperatorAttributes(("a", list));
        list[0] = 9;
        CollectionAssert.AreEqual(new[] { 1L, 2 }, attributes.Integers("a").ToArray());
    }
}
