using Microsoft.ML.Hdrq.Tool.Charts;

namespace Microsoft.ML.Hdrq.Tool.Tests.Charts;

[TestClass]
public sealed class TextFitTests
{
    [TestMethod]
    [DataRow("fog + night", "fog + night")]
    [DataRow("fog + night + rain", "fog + night\n+ rain")]
    [DataRow("a  b", "a b")]
    [DataRow("unbreakableword and more", "unbreakableword\nand more")]
    [DataRow("two\nlines of its own", "two\nlines of\nits own")]
    [DataRow("", "")]
    public void Text_is_broken_at_spaces(string text, string expected) =>
        Assert.AreEqual(expected, TextFit.Wrap(text, 11, line => line.Length));

    [TestMethod]
    [DataRow("motorway", "motorway")]
    [DataRow("motorways", "motorwa…")]
    [DataRow("motor at night", "motor a…")]
    [DataRow("street, wide", "street,…")]
    [DataRow("\U0001F600\U0001F600\U0001F600\U0001F600\U0001F600", "\U0001F600\U0001F600\U0001F600…")]
    public void A_line_is_cut_at_its_end(string line, string expected) =>
        Assert.AreEqual(expected, TextFit.Shorten(line, 8, text => text.Length));

    [TestMethod]
    public void One_letter_always_stays() => Assert.AreEqual("m…", TextFit.Shorten("motorway", 0, text => text.Length));
}
