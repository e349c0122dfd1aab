using System.Runtime.CompilerServices;
using Hdrq.Samples.Lessons;
using Microsoft.ML;

// One lesson serves a model without the library, which turns the telemetry of ONNX Runtime off when it is loaded. An
// application that does not have it is started with ORT_DISABLE_TELEMETRY=1.
RuntimeHelpers.RunModuleConstructor(typeof(HdrqCatalog).Module.ModuleHandle);

// Each lesson is one file. It gets a folder for what it draws and writes.
var lessons = new Dictionary<string, (string About, Action<string> Run)>
{
    ["sites-and-centre"] = ("Two sites adapt and quantize; a centre merges their files.", SitesAndCentre.Run),
    ["in-turns"] = ("A merged network is trained at one site after another.", InTurns.Run),
    ["serving"] = ("A web service predicts posted images with the merged model.", Serving.Run),
    ["masks"] = ("Masks are loaded, measured class by class, and laid over images.", Masks.Run),
    ["bit-budget"] = ("The bits of each layer follow from a size or from an accuracy.", BitBudget.Run),
    ["pretrained"] = ("A network that knows ImageNet gets a head for your classes.", Pretrained.Run),
    ["merge-cost"] = ("What a merge costs, and why: barriers, curvature, distances.", MergeCost.Run),
};
if (args.Length == 0)
{
    Console.WriteLine("dotnet run --project samples/Lessons -- <lesson> [folder]");
    foreach (var (name, (about, _)) in lessons)
        Console.WriteLine($"  {name,-18}{about}");
    return 0;
}
if (!lessons.TryGetValue(args[0], out var lesson) || args.Length > 2)
{
    Console.Error.WriteLine(lesson.Run is null
        ? $"There is no lesson '{args[0]}'; the lessons are {string.Join(", ", lessons.Keys)}."
        : $"A lesson takes one folder, not {args.Length - 1}.");
    return 2;
}
lesson.Run(Directory.CreateDirectory(args.ElementAtOrDefault(1) ?? Path.Combine("output", "lessons")).FullName);
return 0;
